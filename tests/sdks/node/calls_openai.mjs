// The scenarios of the SDK `openai`.

import assert from "node:assert/strict";

import {
  PIXEL,
  SILENCE,
  TOOL,
  TOOL_PURPOSE,
  TOOL_TAKES,
  UNKNOWN_MODEL,
  WRONG_KEY,
  baseURL,
  broken,
  collect,
  failure,
  key,
  listed,
  model,
  prompt,
  vectors,
} from "./caller.mjs";

const usageOf = (usage) => {
  // A provider may count its reasoning in the total alone.
  assert(usage.total_tokens >= usage.prompt_tokens + usage.completion_tokens);
  return {
    input_tokens: usage.prompt_tokens,
    output_tokens: usage.completion_tokens,
    total_tokens: usage.total_tokens,
  };
};

const seenChat = (completion) => {
  assert.equal(completion.object, "chat.completion");
  assert.equal(completion.choices.length, 1);
  const [choice] = completion.choices;
  assert.equal(choice.message.role, "assistant");
  return {
    model: completion.model,
    text: choice.message.content,
    finish: choice.finish_reason,
    ...usageOf(completion.usage),
  };
};

// An error inside a stream has no status: the stream began with 200.
const seenError = (error) => ({
  class: error.constructor.name,
  status: error.status ?? null,
  type: error.type,
  code: error.code,
  message: error.message,
  request_id: error.requestID ?? null,
});

const seenImages = (answer) => {
  assert.equal(answer.data.length, 1);
  return {
    image: answer.data[0].b64_json,
    input_tokens: answer.usage.input_tokens,
    output_tokens: answer.usage.output_tokens,
  };
};

export default ({ default: OpenAI, APIError, toFile }) => {
  const client = (apiKey = key()) => new OpenAI({ baseURL: `${baseURL()}/v1`, apiKey });
  const chat = ({ content = prompt(), apiKey, ...more } = {}) =>
    client(apiKey).chat.completions.create({
      model: model("gpt-5-mini"),
      messages: [{ role: "user", content }],
      ...more,
    });
  const respond = (more = {}) =>
    client().responses.create({ model: model("gpt-5-mini"), input: prompt(), ...more });
  const file = (base64, name, type) => toFile(Buffer.from(base64, "base64"), name, { type });

  return {
    plain: async () => seenChat(await chat()),
    stream: async () => {
      let [text, finish, chunks] = ["", null, 0];
      for await (const chunk of await chat({ stream: true })) {
        // As most programs do: a usage chunk nobody asked for has no choices and would throw.
        const choice = chunk.choices[0];
        text += choice.delta.content ?? "";
        assert.equal(chunk.usage ?? null, null);
        finish = choice.finish_reason ?? finish;
        chunks += 1;
      }
      assert(finish, "the stream ended without a finish reason");
      return { text, finish, chunks };
    },
    stream_usage: async () => {
      const options = { stream: true, stream_options: { include_usage: true } };
      let [text, finish, chunks, last] = ["", null, 0, null];
      for await (const chunk of await chat(options)) {
        for (const choice of chunk.choices) {
          text += choice.delta.content ?? "";
          finish = choice.finish_reason ?? finish;
        }
        chunks += 1;
        last = chunk;
      }
      assert(finish, "the stream ended without a finish reason");
      assert(last.usage, "the last chunk has no usage");
      return { text, finish, chunks, ...usageOf(last.usage) };
    },
    tools: async () => {
      const offered = { name: TOOL, description: TOOL_PURPOSE, parameters: TOOL_TAKES };
      const tools = [{ type: "function", function: offered }];
      const completion = await chat({ tools });
      const [choice] = completion.choices;
      assert.equal(choice.finish_reason, "tool_calls");
      assert.equal(choice.message.tool_calls.length, 1);
      const call = choice.message.tool_calls[0].function;
      let [name, json, finish] = [null, "", null];
      for await (const chunk of await chat({ tools, stream: true })) {
        const [choice] = chunk.choices;
        finish = choice.finish_reason ?? finish;
        for (const part of choice.delta.tool_calls ?? []) {
          name = part.function.name ?? name;
          json += part.function.arguments ?? "";
        }
      }
      assert.equal(finish, "tool_calls");
      return {
        calls: [
          { name: call.name, arguments: JSON.parse(call.arguments) },
          { name, arguments: JSON.parse(json) },
        ],
        ...usageOf(completion.usage),
      };
    },
    image: async () => {
      const url = `data:image/png;base64,${PIXEL}`;
      const image = { type: "image_url", image_url: { url } };
      return seenChat(await chat({ content: [{ type: "text", text: prompt() }, image] }));
    },
    embeddings: async () => {
      // The SDK itself asks for base 64, and makes numbers of it again.
      const asked = { model: model("text-embedding-3-small"), input: [prompt()] };
      const answer = await client().embeddings.create(asked);
      return {
        ...vectors(answer.data.map((each) => Array.from(each.embedding))),
        input_tokens: answer.usage.prompt_tokens,
      };
    },
    models: async () => {
      const models = await collect(client().models.list());
      assert(models.every((each) => each.object === "model"));
      return listed(models.map((each) => each.id));
    },
    count_tokens: async () => {
      const asked = { model: model("gpt-5-mini"), input: prompt() };
      const counted = await client().responses.inputTokens.count(asked);
      return { input_tokens: counted.input_tokens };
    },
    wrong_key: async () =>
      seenError(await failure(APIError, () => chat({ apiKey: WRONG_KEY }))),
    unknown_model: async () =>
      seenError(await failure(APIError, () => chat({ model: UNKNOWN_MODEL }))),
    provider_error: async () => seenError(await failure(APIError, () => chat())),
    stream_error: async () => {
      const text = (chunk) => chunk.choices[0].delta.content;
      const [error, before] = await broken(APIError, () => chat({ stream: true }), text);
      return { text: before, ...seenError(error) };
    },

    responses: async () => {
      const response = await respond();
      assert.equal(response.object, "response");
      return {
        model: response.model,
        text: response.output_text,
        finish: response.status,
        input_tokens: response.usage.input_tokens,
        output_tokens: response.usage.output_tokens,
      };
    },
    responses_stream: async () => {
      let [text, chunks, last] = ["", 0, null];
      for await (const event of await respond({ stream: true })) {
        if (event.type === "response.output_text.delta") text += event.delta;
        chunks += 1;
        last = event;
      }
      assert.equal(last.type, "response.completed");
      const { status, output, usage } = last.response;
      assert.equal(output[0].content[0].text, text);
      return {
        text,
        finish: status,
        chunks,
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
      };
    },
    responses_error: async () => {
      const text = (event) => (event.type === "response.output_text.delta" ? event.delta : "");
      const [error, before] = await broken(APIError, () => respond({ stream: true }), text);
      return { text: before, ...seenError(error) };
    },
    completions: async () => {
      const asked = { model: model("gpt-3.5-turbo-instruct"), prompt: prompt() };
      const completion = await client().completions.create(asked);
      assert.equal(completion.choices.length, 1);
      return {
        model: completion.model,
        text: completion.choices[0].text,
        finish: completion.choices[0].finish_reason,
        ...usageOf(completion.usage),
      };
    },
    // What finance reads with the admin client, page by page, of the last five days.
    reports: async () => {
      const { admin } = new OpenAI({ baseURL: `${baseURL()}/v1`, apiKey: key(), adminAPIKey: key() });
      const { usage } = admin.organization;
      const start = Math.floor(Date.now() / 1000) - 5 * 86_400;
      const results = async (report, asked) => {
        const all = [];
        for (let page = {}; ; ) {
          const answer = await report.call(usage, { start_time: start, ...asked, ...page });
          assert.equal(answer.object, "page");
          for (const bucket of answer.data) {
            assert(bucket.object === "bucket" && bucket.start_time < bucket.end_time);
            all.push(...bucket.results);
          }
          if (!answer.has_more) {
            return all;
          }
          page = { page: answer.next_page };
        }
      };
      const grouping = { bucket_width: "1h", limit: 50, group_by: ["model", "api_key_id"] };
      const hours = await results(usage.completions, grouping);
      assert(hours.every((result) => result.api_key_id.startsWith("key_")));
      const images = await results(usage.images, {});
      const costs = await results(usage.costs, { limit: 3, group_by: ["line_item"] });
      assert(costs.every((cost) => cost.amount.currency === "usd"));
      const sum = (all, of) => all.reduce((sum, each) => sum + of(each), 0);
      const distinct = (all, of) => [...new Set(all.map(of))].sort();
      const refused = await failure(APIError, () =>
        usage.completions({ start_time: start, group_by: ["user_id"] }),
      );
      return {
        requests: sum(hours, (result) => result.num_model_requests),
        input_tokens: sum(hours, (result) => result.input_tokens),
        models: distinct(hours, (result) => result.model),
        images: sum(images, (result) => result.num_model_requests),
        cents: Number((sum(costs, (cost) => cost.amount.value) * 100).toFixed(6)),
        line_items: distinct(costs, (cost) => cost.line_item),
        refused: { status: refused.status, code: refused.code, param: refused.param },
      };
    },
    moderation: async () => {
      const asked = { model: model("omni-moderation-latest"), input: prompt() };
      const { results } = await client().moderations.create(asked);
      assert.equal(results.length, 1);
      return { flagged: results[0].flagged, score: results[0].category_scores.violence };
    },
    images: async () => {
      const asked = { model: model("gpt-image-1-mini"), prompt: prompt() };
      return seenImages(await client().images.generate(asked));
    },
    image_edit: async () => {
      const image = await file(PIXEL, "pixel.png", "image/png");
      const asked = { model: model("gpt-image-1-mini"), image, prompt: prompt() };
      return seenImages(await client().images.edit(asked));
    },
    transcription: async () => {
      const { text, usage } = await client().audio.transcriptions.create({
        model: model("gpt-4o-mini-transcribe"),
        file: await file(SILENCE, "silence.wav", "audio/wav"),
        prompt: prompt(),
      });
      return { text, input_tokens: usage.input_tokens, output_tokens: usage.output_tokens };
    },
    speech: async () => {
      const asked = { model: model("tts-1"), voice: "alloy", input: prompt() };
      const audio = await (await client().audio.speech.create(asked)).arrayBuffer();
      // Each byte as the character of its number.
      return { audio: Buffer.from(audio).toString("latin1") };
    },
  };
};
