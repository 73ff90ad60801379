"""Calls a gateway through one provider's own Python SDK, the way its documentation says.

    scenarios.py SDK                           SCENARIOs from stdin, one a line
    scenarios.py SDK SCENARIO [NAME=VALUE]...  that one

SDK is openai, anthropic or genai; SCENARIO is a function of the module calls_SDK. What the
developer would see is printed as one line of JSON with "ok": true. Anything else than a possible
outcome is a traceback: on stderr with a non-zero exit, or as "error" of a line from stdin. A line
may also set NAME=VALUE, for itself alone.

Read from the environment:
    LAOZHANG_BASE_URL   the gateway, without /v1
    LAOZHANG_API_KEY    the caller's key
    LAOZHANG_MODEL      another model than the scenario's usual one
    LAOZHANG_PROMPT     the user's message
"""

import importlib
import json
import os
import sys
import traceback

# A proxy of the machine must not stand between the SDK and a gateway on loopback.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"


def play(calls, scenario, settings):
    before = dict(os.environ)
    os.environ.update(setting.split("=", 1) for setting in settings)
    try:
        return {"ok": True, **getattr(calls, scenario)()}
    finally:
        os.environ.clear()
        os.environ.update(before)


def main():
    sdk, *words = sys.argv[1:]
    calls = importlib.import_module(f"calls_{sdk}")
    if words:
        print(json.dumps(play(calls, words[0], words[1:])))
        return
    for line in sys.stdin:
        scenario, *settings = line.split()
        try:
            seen = play(calls, scenario, settings)
        except Exception:
            seen = {"ok": False, "error": traceback.format_exc()}
        print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
