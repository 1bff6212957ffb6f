"""Every way an attempt or a request can fail, once, in one table.

A failure is a value. Its kind decides whose fault it is, what the client sees, whether trying again
can help and where, and whether it says anything about the provider's health. The kind's word is the
metric label, the journal word and the ``code`` a client sees when lbd itself speaks.

Three outcomes of an attempt matter to health: good, bad, and *says nothing about the provider*
(client left, bad request); the third never touches a breaker, a limit or an error ratio.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Blame(StrEnum):
    """Who caused it."""

    CLIENT = "client"
    PROVIDER = "provider"
    NETWORK = "network"
    US = "us"


class Scope(StrEnum):
    """How much of the table one failure speaks for."""

    REQUEST = "request"  # nothing but this request
    DEPLOYMENT = "deployment"  # this row
    KEY = "key"  # every row of the provider: they share the credential
    HOST = "host"  # every row behind the same base URL
    HERE = "here"  # no row at all: this host is short of something


class Retry(StrEnum):
    """Where another try could help."""

    NEVER = "never"
    ELSEWHERE = "elsewhere"
    SAME_ONCE = "same_once"  # the same row once more after a short wait, where no twin of it is left
    LARGER = "larger_context"  # a deployment with a larger or unknown context, once


class FailureKind(StrEnum):
    """The word for each way to fail."""

    DNS = "name_resolution"
    CONNECT = "connect"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    RESET = "reset"
    STALE = "stale_keepalive"
    TIMEOUT_FIRST = "timeout_first"
    TIMEOUT_IDLE = "timeout_idle"
    TIMEOUT_TOTAL = "timeout_total"
    BROKEN_STREAM = "broken_stream"
    STREAM_ERROR = "error_in_stream"
    BAD_BODY = "bad_body"
    INVALID_ANSWER = "invalid_answer"
    DIFFERENT = "different_answer"
    HEDGED = "hedged"
    RATE = "rate_limited"
    MONEY = "out_of_money"
    AUTH = "auth"
    NO_MODEL = "model_not_served"
    OVERLOADED = "overloaded"
    LOADING = "loading"
    SERVER = "server_error"
    PROVIDER_TIMEOUT = "provider_timeout"
    CONFLICT = "conflict"
    DEPENDENCY = "failed_dependency"
    CONTEXT = "context_overflow"
    CONTENT_FILTER = "content_filter"
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "request_too_large"
    UNSUPPORTED = "unsupported_input"
    CLIENT_GONE = "client_gone"
    UNAUTHORIZED = "invalid_api_key"
    FORBIDDEN = "not_allowed"
    UNKNOWN_MODEL = "unknown_model"
    NOT_FOUND = "not_found"
    NO_CANDIDATE = "no_eligible_deployment"
    UNAVAILABLE = "all_deployments_unavailable"
    BUSY = "all_deployments_busy"
    LIMITED = "all_deployments_rate_limited"
    RATE_LIMIT = "client_rate_limit"
    BUDGET = "budget_exceeded"
    DEADLINE = "deadline_exceeded"
    DRAINING = "draining"
    LOCAL = "local_fault"
    INTERNAL = "internal"


class Row(msgspec.Struct, frozen=True):
    """One line of the table."""

    blame: Blame
    scope: Scope
    status: int  # HTTP status a client sees when this is the last word
    type: str  # OpenAI's error type beside it
    retry: Retry
    counts: bool  # is evidence against the deployment: breaker, error ratio, uptime
    slo: bool  # counts as a miss of the service level shown to the user


_C, _P, _N, _U = Blame.CLIENT, Blame.PROVIDER, Blame.NETWORK, Blame.US
_REQ, _DEP, _KEY, _HOST, _HERE = Scope.REQUEST, Scope.DEPLOYMENT, Scope.KEY, Scope.HOST, Scope.HERE
_NO, _ELSE, _SAME, _LARGER = Retry.NEVER, Retry.ELSEWHERE, Retry.SAME_ONCE, Retry.LARGER
_K = FailureKind

TABLE: dict[FailureKind, Row] = {
    # the network between lbd and the provider
    _K.DNS: Row(_N, _HOST, 502, "server_error", _ELSE, True, True),
    _K.CONNECT: Row(_N, _HOST, 502, "server_error", _ELSE, True, True),
    _K.CONNECT_TIMEOUT: Row(_N, _HOST, 504, "server_error", _ELSE, True, True),
    _K.TLS: Row(_N, _HOST, 502, "server_error", _ELSE, True, True),
    _K.RESET: Row(_N, _DEP, 502, "server_error", _ELSE, True, True),
    # a reused connection that the server had already given up: no news about its health
    _K.STALE: Row(_N, _REQ, 502, "server_error", _ELSE, False, False),
    # silence; the attempt was cut, so it is judged against the row's own p99 before it counts
    _K.TIMEOUT_FIRST: Row(_P, _DEP, 504, "server_error", _ELSE, True, True),
    _K.TIMEOUT_IDLE: Row(_P, _DEP, 504, "server_error", _ELSE, True, True),
    _K.TIMEOUT_TOTAL: Row(_P, _DEP, 504, "server_error", _NO, False, True),
    # answers that are not answers
    _K.BROKEN_STREAM: Row(_P, _DEP, 502, "server_error", _ELSE, True, True),
    _K.STREAM_ERROR: Row(_P, _DEP, 502, "server_error", _ELSE, True, True),
    _K.BAD_BODY: Row(_P, _DEP, 502, "server_error", _ELSE, True, True),
    # a good answer that is not good enough: a matter of quality, and none of health
    _K.INVALID_ANSWER: Row(_P, _DEP, 502, "server_error", _ELSE, False, True),
    # a second run that is not what the client has of the first: nobody's fault, and no use trying again
    _K.DIFFERENT: Row(_U, _REQ, 502, "server_error", _NO, False, False),
    # a second attempt beside it was sooner, or it was itself the second and not sooner
    _K.HEDGED: Row(_U, _REQ, 504, "server_error", _ELSE, False, False),
    # the provider's word. 429 is pressure, not sickness; money and auth wait for a person
    _K.RATE: Row(_P, _DEP, 429, "rate_limit_error", _SAME, False, True),
    _K.MONEY: Row(_P, _KEY, 503, "server_error", _ELSE, False, True),
    _K.AUTH: Row(_P, _KEY, 503, "server_error", _ELSE, False, True),
    _K.NO_MODEL: Row(_P, _DEP, 503, "server_error", _ELSE, False, True),
    _K.OVERLOADED: Row(_P, _DEP, 503, "server_error", _SAME, True, True),
    _K.LOADING: Row(_P, _DEP, 503, "server_error", _ELSE, True, True),
    _K.SERVER: Row(_P, _DEP, 502, "server_error", _SAME, True, True),
    _K.PROVIDER_TIMEOUT: Row(_P, _DEP, 504, "server_error", _ELSE, True, True),
    _K.CONFLICT: Row(_P, _DEP, 502, "server_error", _SAME, False, True),
    _K.DEPENDENCY: Row(_P, _DEP, 502, "server_error", _ELSE, True, True),
    # the client's request: handed back, never held against a provider
    _K.CONTEXT: Row(_C, _REQ, 400, "invalid_request_error", _LARGER, False, False),
    _K.CONTENT_FILTER: Row(_C, _REQ, 400, "invalid_request_error", _NO, False, False),
    _K.BAD_REQUEST: Row(_C, _REQ, 400, "invalid_request_error", _NO, False, False),
    _K.TOO_LARGE: Row(_C, _REQ, 413, "invalid_request_error", _NO, False, False),
    _K.UNSUPPORTED: Row(_C, _REQ, 400, "invalid_request_error", _ELSE, False, False),
    _K.CLIENT_GONE: Row(_C, _REQ, 499, "client_error", _NO, False, False),
    _K.UNAUTHORIZED: Row(_C, _REQ, 401, "authentication_error", _NO, False, False),
    _K.FORBIDDEN: Row(_C, _REQ, 403, "permission_error", _NO, False, False),
    _K.UNKNOWN_MODEL: Row(_C, _REQ, 404, "invalid_request_error", _NO, False, False),
    _K.NOT_FOUND: Row(_C, _REQ, 404, "invalid_request_error", _NO, False, False),
    # lbd's own last words
    _K.NO_CANDIDATE: Row(_U, _REQ, 400, "invalid_request_error", _NO, False, False),
    _K.UNAVAILABLE: Row(_U, _REQ, 503, "server_error", _NO, False, True),
    _K.BUSY: Row(_U, _REQ, 503, "server_error", _NO, False, True),
    _K.LIMITED: Row(_U, _REQ, 429, "rate_limit_error", _NO, False, True),
    # the client's own limits, set by lbd's operator
    _K.RATE_LIMIT: Row(_U, _REQ, 429, "rate_limit_error", _NO, False, False),
    _K.BUDGET: Row(_U, _REQ, 429, "insufficient_quota", _NO, False, False),
    _K.DEADLINE: Row(_U, _REQ, 504, "server_error", _NO, False, True),
    _K.DRAINING: Row(_U, _REQ, 503, "server_error", _NO, False, False),
    # no descriptor, port or buffer for a connection: elsewhere one may stand already
    _K.LOCAL: Row(_U, _HERE, 503, "server_error", _ELSE, False, True),
    _K.INTERNAL: Row(_U, _REQ, 500, "server_error", _NO, False, True),
}

COUNTS = frozenset(kind for kind, row in TABLE.items() if row.counts)
CLIENT_FAULTS = frozenset(kind for kind, row in TABLE.items() if row.blame is Blame.CLIENT)
TIMEOUTS = frozenset({_K.CONNECT_TIMEOUT, _K.TIMEOUT_FIRST, _K.TIMEOUT_IDLE, _K.PROVIDER_TIMEOUT})
SUSPECT_AT_ONCE = frozenset({_K.DNS, _K.CONNECT, _K.CONNECT_TIMEOUT, _K.TLS, _K.RESET, _K.LOADING, _K.TIMEOUT_FIRST})
LOCK_OUTS = frozenset({_K.MONEY, _K.AUTH, _K.NO_MODEL})


class Failure(msgspec.Struct, frozen=True):
    """One failure: its kind and what is known of it.

    ``body`` is the provider's own answer, kept where it goes back to the caller as it came.
    ``retry_after_s`` is how long the provider asked to wait, in seconds from when it was said.
    """

    kind: FailureKind
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    body: bytes | None = None
    code: str | None = None
    param: str | None = None

    @property
    def row(self) -> Row:
        """Look its kind up in the table."""
        return TABLE[self.kind]


class LbdError(Exception):
    """Carries a :class:`Failure` up to the handler that answers it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
