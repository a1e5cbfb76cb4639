"""Calls the example `gateway` with Anthropic's own client, and prints what it was charged.

Arguments: the URL of the example. Exits with 0 if usage and charge agree.
"""

import sys
import time

import anthropic

LIMIT = 2_000
PROMPT = [{"role": "user", "content": "to be or not to be"}]


def client(key):
    return anthropic.Anthropic(base_url=sys.argv[1], auth_token=key, max_retries=0)


def charged(key):
    """What the budget of a key holds, by a request that the model server rejects, which costs nothing."""
    try:
        client(key).messages.create(model="none", messages=[], max_tokens=0)
    except anthropic.APIStatusError as error:
        # The empty list of messages is two bytes.
        left = error.response.headers["ratelimit"].split("r=")[1].split(";")[0]
        return LIMIT - int(left) - 2
    sys.exit("a model that does not exist")


def settled(key):
    """The same, when it has not changed for three probes."""
    last, same = charged(key), 0
    while same < 3:
        time.sleep(0.05)
        now = charged(key)
        same = same + 1 if now == last else 0
        last = now
    return last


def to_the_end():
    with client("stream").messages.stream(
        model="echo-large", messages=PROMPT, max_tokens=20
    ) as stream:
        text = "".join(stream.text_stream)
        usage = stream.get_final_message().usage
    assert len(text.split()) == 20, text
    total = usage.input_tokens + usage.output_tokens
    assert total == 26, usage
    assert settled("stream") == total, settled("stream")
    print("a stream: usage 26, charged 26")


def closed_in_the_middle():
    """The model server has not said what it made: the estimate stays charged."""
    with client("closed").messages.stream(
        model="echo-large", messages=PROMPT, max_tokens=200
    ) as stream:
        next(iter(stream.text_stream))
    now = settled("closed")
    assert 200 < now < 300, now
    print("closed in the middle: the estimate of", now, "is charged")


def refused():
    """A refusal is the exception that the client has for it."""
    try:
        client("refused").messages.create(
            model="echo-small", messages=PROMPT, max_tokens=2_001
        )
    except anthropic.RateLimitError as error:
        assert error.status_code == 429, error
        print("more than the limit: RateLimitError")
    else:
        sys.exit("not refused")


to_the_end()
closed_in_the_middle()
refused()
