// The scenarios of the SDK `@anthropic-ai/sdk`.

import assert from "node:assert/strict";

import {
  MAX_TOKENS,
  PIXEL,
  TOOL,
  TOOL_PURPOSE,
  TOOL_TAKES,
  UNKNOWN_MODEL,
  WRONG_KEY,
  absent,
  baseURL,
  broken,
  collect,
  failure,
  key,
  listed,
  model,
  prompt,
} from "./caller.mjs";

const asked = ({ content = prompt(), ...more } = {}) => ({
  model: model("claude-haiku-4-5"),
  max_tokens: MAX_TOKENS,
  messages: [{ role: "user", content }],
  ...more,
});

const usageOf = ({ usage }) => ({
  input_tokens: usage.input_tokens,
  output_tokens: usage.output_tokens,
});

const seenMessage = (message) => {
  assert.equal(message.type, "message");
  assert.equal(message.role, "assistant");
  return {
    model: message.model,
    text: message.content.map((block) => (block.type === "text" ? block.text : "")).join(""),
    finish: message.stop_reason,
    ...usageOf(message),
  };
};

const seenError = (error) => ({
  class: error.constructor.name,
  status: error.status ?? null,
  type: error.type ?? null,
  code: error.errorCode ?? null,
  message: error.message,
  request_id: error.requestID ?? null,
});

export default ({ default: Anthropic, APIError }) => {
  const client = (apiKey = key()) => new Anthropic({ baseURL: baseURL(), apiKey });
  const create = (more) => client().messages.create(asked(more));

  return {
    plain: async () => seenMessage(await create()),
    stream: async () => {
      const stream = client().messages.stream(asked());
      const events = await collect(stream);
      const message = seenMessage(await stream.finalMessage());
      assert.equal(events.at(0).type, "message_start");
      assert.equal(events.at(-1).type, "message_stop");
      const deltas = events.filter((event) => event.delta?.type === "text_delta");
      assert.equal(message.text, deltas.map((event) => event.delta.text).join(""));
      return { ...message, chunks: deltas.length };
    },
    tools: async () => {
      const tools = [{ name: TOOL, description: TOOL_PURPOSE, input_schema: TOOL_TAKES }];
      const message = await create({ tools });
      const streamed = await client().messages.stream(asked({ tools })).finalMessage();
      const calls = [message, streamed].map((each) => {
        assert.equal(each.stop_reason, "tool_use");
        const calls = each.content.filter((block) => block.type === "tool_use");
        assert.equal(calls.length, 1);
        return { name: calls[0].name, arguments: calls[0].input };
      });
      return { calls, ...usageOf(message) };
    },
    image: async () => {
      const source = { type: "base64", media_type: "image/png", data: PIXEL };
      const content = [{ type: "image", source }, { type: "text", text: prompt() }];
      return seenMessage(await create({ content }));
    },
    embeddings: async () => absent(client(), "embeddings"),
    models: async () => {
      // Iterating follows has_more, so an endless or broken page chain shows here.
      const models = await collect(client().models.list());
      assert(models.every((each) => each.type === "model" && each.display_name));
      return listed(models.map((each) => each.id));
    },
    count_tokens: async () => {
      const { max_tokens, ...body } = asked();
      return { input_tokens: (await client().messages.countTokens(body)).input_tokens };
    },
    wrong_key: async () =>
      seenError(await failure(APIError, () => client(WRONG_KEY).messages.create(asked()))),
    unknown_model: async () =>
      seenError(await failure(APIError, () => create({ model: UNKNOWN_MODEL }))),
    provider_error: async () => seenError(await failure(APIError, () => create())),
    stream_error: async () => {
      const text = (event) => (event.type === "content_block_delta" ? event.delta.text : "");
      const [error, before] = await broken(APIError, () => create({ stream: true }), text);
      return { text: before, ...seenError(error) };
    },
  };
};
