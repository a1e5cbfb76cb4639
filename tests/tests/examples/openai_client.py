"""Calls the example `chat` with OpenAI's own client, and prints what it was charged.

Arguments: the URL of the example. Exits with 0 if usage and charge agree.
"""

import sys
import time

import openai

LIMIT = 2_000
PROMPT = [{"role": "user", "content": "to be or not to be"}]


def client(key):
    return openai.OpenAI(base_url=sys.argv[1] + "/v1", api_key=key, max_retries=0)


def charged(key):
    """What the budget of a key holds: asks for nothing, which costs its prompt of one token."""
    raw = client(key).chat.completions.with_raw_response.create(
        model="echo-large",
        messages=[{"role": "user", "content": "?"}],
        max_tokens=0,
    )
    return LIMIT - int(raw.headers["x-ratelimit-remaining-tokens"]) - 1


def settled(key):
    """The same, when it has not changed for three probes, each of which costs one token."""
    last, probes, same = charged(key), 1, 0
    while same < 3:
        time.sleep(0.05)
        now = charged(key) - probes
        same = same + 1 if now == last else 0
        last, probes = now, probes + 1
    return last


def whole():
    answer = client("whole").chat.completions.create(
        model="echo-small", messages=PROMPT, max_tokens=100
    )
    assert answer.usage.total_tokens == 106, answer
    assert len(answer.choices[0].message.content.split()) == 100, answer
    assert charged("whole") == 0, "the budget of another model"
    raw = client("whole").chat.completions.with_raw_response.create(
        model="echo-small", messages=PROMPT, max_tokens=0
    )
    left = int(raw.headers["x-ratelimit-remaining-tokens"])
    assert left == LIMIT - 106 - 6, raw.headers
    print("a whole answer: usage 106, charged 106")


def stream_to_the_end():
    stream = client("stream").chat.completions.create(
        model="echo-large",
        messages=PROMPT,
        max_tokens=20,
        stream=True,
        stream_options={"include_usage": True},
    )
    usage = [event.usage for event in stream if event.usage is not None]
    assert [one.total_tokens for one in usage] == [26], usage
    assert settled("stream") == 26, settled("stream")
    print("a stream: usage 26, charged 26")


def stream_closed_in_the_middle():
    stream = client("closed").chat.completions.create(
        model="echo-large", messages=PROMPT, max_tokens=200, stream=True
    )
    seen = 0
    for event in stream:
        seen += 1
        if seen == 5:
            break
    stream.close()
    now = settled("closed")
    # The server may have sent a few tokens more before it saw that the client had left.
    assert 6 + seen <= now <= 6 + seen + 5, (seen, now)
    print(f"closed after {seen} of 200 tokens: charged {now}")


def refused():
    """A refusal is the exception that the client has for it, with the wait in its headers."""
    try:
        client("refused").chat.completions.create(
            model="echo-small", messages=PROMPT, max_tokens=2_001
        )
    except openai.RateLimitError as error:
        assert error.code == "cost_above_limit", error
        assert "2,000 tokens per minute" in error.message, error.message
        print("more than the limit: RateLimitError,", error.code)
    else:
        sys.exit("not refused")


whole()
stream_to_the_end()
stream_closed_in_the_middle()
refused()
