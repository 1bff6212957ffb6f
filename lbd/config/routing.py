"""The keys that say where requests go: rules and their conditions, how prompts are judged, peak hours."""

from __future__ import annotations

import msgspec

from lbd.config.strict import Strict
from lbd.model.request import Urgency
from lbd.shapes.providers import Count, NonNegative, Positive, Ratio01

OneOrMore = str | list[str]


class WhenConfig(Strict, frozen=True):
    """When a rule is taken by itself, of requests that leave the choice to lbd: all of it has to hold.

    model: patterns of the name that was asked for.
    surface: patterns of the surface's name.
    client: patterns of the client's name.
    class: interactive or background.
    peak: whether it is in peak hours.
    input_tokens_min: of the conversation, estimated; from so many on.
    input_tokens_below: fewer than so many.
    difficulty_min: of the prompt, 0 to 1 as it is judged; from this on.
    difficulty_below: less than this.
    family: what kind of question it is judged to be, such as code or math.
    needs: capabilities that the request asks for, such as tools or images.
    header: patterns of headers' values, by the name of the header.
    text: an expression, in Python's syntax, that is found in what the user said last.
    """

    model: OneOrMore = []
    surface: OneOrMore = []
    client: OneOrMore = []
    urgency: Urgency | None = msgspec.field(default=None, name="class")
    peak: bool | None = None
    input_tokens_min: Count | None = None
    input_tokens_below: Count | None = None
    difficulty_min: Ratio01 | None = None
    difficulty_below: Ratio01 | None = None
    family: OneOrMore = []
    needs: list[str] = []
    header: dict[str, str] = {}
    text: str | None = None


class RuleConfig(Strict, frozen=True):
    """A routing rule, in the shape that routing guides show.

    primary: the model that is asked first, or a list of them in order.
    fallback: the models that are asked when those before them cannot answer, in order.
    max_cost_per_1k: bound of the predicted USD for 1,000 tokens, in and out; what is dearer is never used.
    max_latency_ms: bound of the time to the first content of a stream, or to the whole of a unary answer.
    when: takes the rule for requests for auto where all of it holds; rules are tried in order. simple_queries and
        complex_reasoning are about the prompt's difficulty where they have none; others are asked for by name.
    """

    primary: OneOrMore
    fallback: OneOrMore = []
    max_cost_per_1k: NonNegative | None = None
    max_latency_ms: Positive | None = None
    when: WhenConfig | None = None


class AutoConfig(Strict, frozen=True):
    """How requests that leave the choice to lbd are judged.

    judge: whether their prompts are judged; where no rule and no share asks for it they are not.
    quality_share: the cheapest model is taken whose quality for the prompt is held to be at least this share of the
        best one's; not given: the best tier that is fast enough.
    """

    judge: bool = True
    quality_share: Ratio01 | None = None


class PeakConfig(Strict, frozen=True):
    """Peak hours: users get the better models, and background work waits while it can.

    timezone: whose wall clock the hours are of, such as Europe/Berlin.
    hours: spans of the week, such as mon-fri 08:00-18:00.
    load_above: share of the capacity in use from which it is peak at any hour.
    weights: of the scoring terms for interactive requests in peak hours, beside the usual ones.
    background_waits: whether batches wait for the end of the peak as long as their window allows it.
    """

    timezone: str = "UTC"
    hours: OneOrMore = []
    load_above: Ratio01 | None = None
    weights: dict[str, NonNegative] = {}
    background_waits: bool = True
