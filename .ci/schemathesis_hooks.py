"""What Schemathesis must know of the API beyond the YAML."""

import itertools
import json

import schemathesis

numbers = itertools.count(1)


@schemathesis.hook
def before_call(context, case, kwargs):
    """Gives each valid request an Idempotency-Key of its own.

    Schemathesis draws the same few keys for many bodies, and all but the first would be refused.
    """
    key = (case.headers or {}).get("Idempotency-Key")
    if key and case.meta and case.meta.generation.mode.is_positive:
        case.headers["Idempotency-Key"] = f"{next(numbers)}-{key}"[:255]


@schemathesis.deserializer("application/x-ndjson")
def lines(context, response):
    """Reads an answer in lines. The schema is that of a line, so the last stands for all that were read."""
    return [json.loads(line) for line in response.content.decode().splitlines()][-1]
