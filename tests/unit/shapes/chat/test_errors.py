"""The error table of the OpenAI family. Bodies are the providers' own, as documented or as reported by users."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import TABLE, Blame, Failure, FailureKind
from lbd.shapes.chat import errors

K = FailureKind
WALL = 1_700_000_000.0


def said(message: str, **more: Any) -> bytes:
    """Return an error body as OpenAI writes it."""
    return json.dumps({"error": {"message": message, **more}}).encode()


def tgi(message: str) -> bytes:
    """Return an error body as TGI writes it."""
    return json.dumps({"error": message, "error_type": "validation"}).encode()


OPENAI_TYPE = {"type": "invalid_request_error", "param": None}
GEMINI_QUOTA = json.dumps(
    [
        {
            "error": {
                "code": 429,
                "message": "You exceeded your current quota, please check your plan and billing details. For more "
                "information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [
                    {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "250000"}]},
                    {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"},
                ],
            }
        }
    ]
).encode()
AZURE_FILTER = json.dumps(
    {
        "error": {
            "message": "The response was filtered due to Azure OpenAI's content management policy.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
            },
        }
    }
).encode()
TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center>nginx</center></body></html>"

CASES: dict[str, tuple[int, bytes, FailureKind]] = {
    # 400: the client's request, except where a word says otherwise
    "OpenAI context": (
        400,
        said(TOO_LONG, type="invalid_request_error", param="messages", code="context_length_exceeded"),
        K.CONTEXT,
    ),
    "OpenAI context, code alone": (400, said("no", code="context_length_exceeded"), K.CONTEXT),
    "OpenAI bad parameter": (
        400,
        said("Invalid value: 'x'.", type="invalid_request_error", param="n", code="invalid_value"),
        K.BAD_REQUEST,
    ),
    "OpenAI max_tokens": (
        400,
        said(
            "max_tokens is too large: 100000. This model supports at most 4096 completion tokens",
            **OPENAI_TYPE,
            code="invalid_value",
        ),
        K.UNSUPPORTED,
    ),
    "Anthropic max_tokens": (
        400,
        said(
            "max_tokens: 9999 > 4096, which is the maximum allowed number of output tokens for claude-3-opus-20240229"
        ),
        K.UNSUPPORTED,
    ),
    "OpenAI schema": (
        400,
        said(
            "Invalid schema for response_format 'a': In context=(), 'required' is required to be supplied and to be an"
            " array including every key in properties. Missing 'b'.",
            **OPENAI_TYPE,
            code=None,
        ),
        K.UNSUPPORTED,
    ),
    "OpenAI usage policy": (
        400,
        said(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", code="invalid_prompt"
        ),
        K.CONTENT_FILTER,
    ),
    "OpenAI billing limit": (
        400,
        said("Billing hard limit has been reached", code="billing_hard_limit_reached"),
        K.MONEY,
    ),
    "Azure filter": (400, AZURE_FILTER, K.CONTENT_FILTER),
    "Azure filter, inner code alone": (
        400,
        said("no", code="bad", innererror={"code": "ResponsibleAIPolicyViolation"}),
        K.CONTENT_FILTER,
    ),
    "OpenRouter unknown model": (400, said("foo/bar is not a valid model ID", code=400), K.NO_MODEL),
    "DeepSeek unknown model": (
        400,
        said("Model Not Exist", type="invalid_request_error", code="invalid_request_error"),
        K.NO_MODEL,
    ),
    "Groq tool call": (
        400,
        said("Failed to call a function.", type="invalid_request_error", code="tool_use_failed"),
        K.BAD_REQUEST,
    ),
    "vLLM context": (
        400,
        json.dumps(
            {"object": "error", "message": TOO_LONG, "type": "BadRequestError", "param": None, "code": 400}
        ).encode(),
        K.CONTEXT,
    ),
    "vLLM decoder prompt": (
        400,
        said(
            "The decoder prompt (length 5951) is longer than the maximum model length of 4096.",
            type="BadRequestError",
            code=400,
        ),
        K.CONTEXT,
    ),
    "vLLM multimodal prompt": (
        400,
        said("The prompt (total length 25938) is too long to fit into the model (context length 4096).", code=400),
        K.CONTEXT,
    ),
    "SGLang context": (
        400,
        said(
            "The input (9999 tokens) is longer than the model's context length (4096 tokens).", type="BadRequestError"
        ),
        K.CONTEXT,
    ),
    "llama.cpp context": (
        400,
        said(
            "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
            type="exceed_context_size_error",
            code=400,
            n_prompt_tokens=9412,
            n_ctx=8192,
        ),
        K.CONTEXT,
    ),
    "llama.cpp context, type alone": (400, said("no", type="exceed_context_size_error", code=400), K.CONTEXT),
    "llama.cpp bad JSON": (
        400,
        said("[json.exception.parse_error.101] parse error", type="invalid_request_error", code=400),
        K.BAD_REQUEST,
    ),
    "Gemini context": (
        400,
        said(
            "The input token count (1100000) exceeds the maximum number of tokens allowed (1048575).",
            status="INVALID_ARGUMENT",
        ),
        K.CONTEXT,
    ),
    "xAI context": (
        400,
        b'{"code":"x","error":"This model\'s maximum prompt length is 131072 but the request contains 537812 tokens."}',
        K.CONTEXT,
    ),
    "Ollama tools": (400, said("registry.ollama.ai/library/x does not support tools", type="api_error"), K.UNSUPPORTED),
    "credit balance": (
        400,
        said("Your credit balance is too low to access the API.", type="invalid_request_error"),
        K.MONEY,
    ),
    "400 of plain text": (400, b"Bad Request", K.BAD_REQUEST),
    "400 without a body": (400, b"", K.BAD_REQUEST),
    # the credential
    "OpenAI wrong key": (
        401,
        said("Incorrect API key provided: sk-x.", type="invalid_request_error", code="invalid_api_key"),
        K.AUTH,
    ),
    "vLLM wrong key": (401, b'{"error":"Unauthorized"}', K.AUTH),
    "llama.cpp wrong key": (401, said("Invalid API Key", type="authentication_error", code=401), K.AUTH),
    "OpenAI country": (
        403,
        said("Country, region, or territory not supported", code="unsupported_country_region_territory"),
        K.AUTH,
    ),
    "403 of a proxy": (403, HTML, K.AUTH),
    "OpenAI project without the model": (
        403,
        said(
            "Project `proj_x` does not have access to model `gpt-4`",
            type="invalid_request_error",
            code="model_not_found",
        ),
        K.NO_MODEL,
    ),
    "OpenRouter moderation": (
        403,
        said(
            'openai/gpt-x requires moderation on OpenAI. Your input was flagged for "harassment".',
            code=403,
            metadata={"reasons": ["x"]},
        ),
        K.CONTENT_FILTER,
    ),
    "OpenRouter moderation, as documented": (
        403,
        said("Your chosen model requires moderation and your input was flagged", code=403),
        K.CONTENT_FILTER,
    ),
    # money
    "OpenRouter credits": (
        402,
        said("Insufficient credits. Add more using https://openrouter.ai/credits", code=402),
        K.MONEY,
    ),
    "OpenRouter affords less": (
        402,
        said("This request requires more credits, or fewer max_tokens.", code=402),
        K.MONEY,
    ),
    "DeepSeek balance": (
        402,
        said("Insufficient Balance", type="unknown_error", code="invalid_request_error"),
        K.MONEY,
    ),
    "OpenAI quota": (
        429,
        said(
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
        K.MONEY,
    ),
    "OpenAI quota, words alone": (
        429,
        said("You exceeded your current quota, please check your plan", **OPENAI_TYPE),
        K.MONEY,
    ),
    "OpenAI balance": (429, said("no", code="credit_balance_exhausted"), K.MONEY),
    "Anthropic spend limit": (429, said("no", type="rate_limit_error", code="enforced_spend_limit_reached"), K.MONEY),
    # 429: the rate
    "OpenAI rate": (
        429,
        said("Rate limit reached for gpt-4o on requests per min.", type="requests", code="rate_limit_exceeded"),
        K.RATE,
    ),
    "OpenAI ramp": (429, said("Slow down", code="slow_down"), K.RATE),
    "Azure rate": (
        429,
        said("Requests have exceeded token rate limit. Please retry after 26 seconds.", code="429"),
        K.RATE,
    ),
    "Groq rate": (
        429,
        said("Rate limit reached. Please try again in 7m36.48s.", type="tokens", code="rate_limit_exceeded"),
        K.RATE,
    ),
    "OpenRouter upstream rate": (
        429,
        said("Provider returned error", code=429, metadata={"raw": "x is rate-limited upstream"}),
        K.RATE,
    ),
    "TGI full": (429, b'{"error":"Model is overloaded","error_type":"overloaded"}', K.RATE),
    "Gemini minute quota": (429, GEMINI_QUOTA, K.RATE),
    "429 of plain text": (429, b"Too Many Requests", K.RATE),
    "429 without a body": (429, b"", K.RATE),
    # 404: the deployment's, where it is the model or the path
    "OpenAI model": (
        404,
        said("The model `x` does not exist or you do not have access to it.", **OPENAI_TYPE, code="model_not_found"),
        K.NO_MODEL,
    ),
    "vLLM model": (404, said("The model `x` does not exist.", type="NotFoundError", code=404), K.NO_MODEL),
    "Ollama model": (404, said('model "x" not found, try pulling it first', type="api_error"), K.NO_MODEL),
    "Azure deployment": (
        404,
        said("The API deployment for this resource does not exist.", code="DeploymentNotFound"),
        K.NO_MODEL,
    ),
    "Azure path": (404, said("Resource not found", code="404"), K.NO_MODEL),
    "llama.cpp path": (404, said("File Not Found", type="not_found_error", code=404), K.NO_MODEL),
    "FastAPI path": (404, b'{"detail":"Not Found"}', K.NO_MODEL),
    "OpenAI path": (404, said("Invalid URL (POST /v1/v1/chat/completions)", **OPENAI_TYPE, code=None), K.NO_MODEL),
    "Groq path": (
        404,
        said("Unknown request URL: POST /v1/chat. Please check the URL", code="unknown_url"),
        K.NO_MODEL,
    ),
    "Kong path": (404, b'{"message":"no Route matched with those values"}', K.NO_MODEL),
    "HTML path": (404, HTML, K.NO_MODEL),
    "404 of plain text": (404, b"404 page not found", K.NO_MODEL),
    "404 without a body": (404, b"", K.NO_MODEL),
    "404 without a message": (404, b"{}", K.NO_MODEL),
    "OpenRouter endpoints": (404, said("No endpoints found for nousresearch/hermes-3:free.", code=404), K.NO_MODEL),
    "OpenRouter tools": (404, said("No endpoints found that support tool use.", code=404), K.UNSUPPORTED),
    "OpenAI file": (404, said("No such File object: file-abc", **OPENAI_TYPE, code=None), K.BAD_REQUEST),
    "OpenAI previous response": (
        404,
        said("Previous response with id 'resp_1' not found.", code="previous_response_not_found"),
        K.BAD_REQUEST,
    ),
    # the other client statuses
    "405": (405, said("Method Not Allowed"), K.NO_MODEL),
    "408": (408, said("Request timed out", code=408), K.PROVIDER_TIMEOUT),
    "409": (409, said("Conflict"), K.CONFLICT),
    "410": (410, said("The model has reached its end of life"), K.NO_MODEL),
    "413": (413, b"<html><h1>413 Request Entity Too Large</h1></html>", K.TOO_LARGE),
    "414": (414, b"", K.TOO_LARGE),
    "431": (431, b"<html>Request Header Fields Too Large</html>", K.TOO_LARGE),
    "451": (451, said("Unavailable For Legal Reasons"), K.NO_MODEL),
    "a parameter that this model has not": (
        400,
        said(
            "Unsupported parameter: 'max_tokens' is not supported with this model.",
            **OPENAI_TYPE,
            code="unsupported_parameter",
        ),
        K.UNSUPPORTED,
    ),
    "a value that this model has not, in words": (
        400,
        said("Unsupported value: 'temperature' does not support 0.2 with this model.", **OPENAI_TYPE, code=None),
        K.UNSUPPORTED,
    ),
    "a parameter that nobody there knows": (
        400,
        said("Unknown parameter: 'top_k'.", **OPENAI_TYPE, code="unknown_parameter"),
        K.UNSUPPORTED,
    ),
    "a parameter that nobody there knows, in older words": (
        400,
        said("Unrecognized request argument supplied: top_k", **OPENAI_TYPE, code=None),
        K.UNSUPPORTED,
    ),
    "Mistral's extra member": (
        422,
        b'{"object":"error","message":{"detail":[{"type":"extra_forbidden","msg":"Extra inputs are not permitted"}]}}',
        K.UNSUPPORTED,
    ),
    "Anthropic's extra member": (
        400,
        said("tools.0.custom.strict: Extra inputs are not permitted", type="invalid_request_error"),
        K.UNSUPPORTED,
    ),
    "a way to think that this model has not": (
        400,
        said('"thinking.type.enabled" is not supported for this model.', type="invalid_request_error"),
        K.UNSUPPORTED,
    ),
    "a prefill that this model takes not": (
        400,
        said("This model does not support assistant message prefill.", type="invalid_request_error"),
        K.UNSUPPORTED,
    ),
    "Groq tokens a minute": (
        413,
        said(
            "Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 14368",
            type="tokens",
            code="rate_limit_exceeded",
        ),
        K.RATE,
    ),
    "415": (415, b"", K.BAD_REQUEST),
    "418": (418, b"", K.BAD_REQUEST),
    "421": (421, b"", K.CONFLICT),
    "422 of FastAPI": (
        422,
        b'{"detail":[{"loc":["body","messages"],"msg":"field required","type":"value_error.missing"}]}',
        K.BAD_REQUEST,
    ),
    "TGI context": (
        422,
        tgi("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 1000 `inputs` tokens"),
        K.CONTEXT,
    ),
    "TGI context, older": (
        422,
        tgi("Input validation error: `inputs` must have less than 1024 tokens. Given: 1168"),
        K.CONTEXT,
    ),
    "TGI generation": (
        424,
        b'{"error":"Request failed during generation: CUDA error","error_type":"generation"}',
        K.DEPENDENCY,
    ),
    "425": (425, b"", K.OVERLOADED),
    "Groq flex": (498, said("Flex tier capacity exceeded", code="capacity_exceeded"), K.OVERLOADED),
    "426": (426, b"", K.DEPENDENCY),
    "499": (499, b"", K.SERVER),
    # 5xx: the provider's word of being unwell
    "OpenAI server error": (
        500,
        said("The server had an error while processing your request.", type="server_error"),
        K.SERVER,
    ),
    "llama.cpp image": (
        500,
        said(
            "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
            type="server_error",
            code=500,
        ),
        K.UNSUPPORTED,
    ),
    "context as a 500": (
        500,
        said("the request exceeds the available context size. try increasing it", code=500),
        K.CONTEXT,
    ),
    "filter words in a 500": (500, said("flagged by the watchdog", code="content_filter"), K.SERVER),
    "money words in a 503": (503, said("insufficient funds", code="insufficient_quota"), K.OVERLOADED),
    "501": (501, said("This server does not support embeddings.", type="not_supported_error", code=501), K.UNSUPPORTED),
    "nginx": (502, HTML, K.SERVER),
    "OpenRouter provider": (502, said("Provider returned error", code=502, metadata={"raw": "error"}), K.SERVER),
    "OpenAI overloaded": (503, said("The server is currently overloaded.", code="server_is_overloaded"), K.OVERLOADED),
    "llama.cpp loading": (503, said("Loading model", type="unavailable_error", code=503), K.LOADING),
    "Hugging Face loading": (503, b'{"error":"Model is currently loading","estimated_time":20.0}', K.LOADING),
    "OpenRouter nobody": (
        503,
        said("No available model provider meets your routing requirements", code=503),
        K.OVERLOADED,
    ),
    "vLLM dead": (503, b"", K.OVERLOADED),
    "504": (504, HTML, K.PROVIDER_TIMEOUT),
    "524": (524, HTML, K.PROVIDER_TIMEOUT),
    "520 of Cloudflare": (520, b"error code: 520", K.SERVER),
    "Anthropic overloaded": (529, said("Overloaded", type="overloaded_error"), K.OVERLOADED),
    "301": (301, b"", K.SERVER),
    "307 to a login page": (307, HTML, K.SERVER),
    "304": (304, b"", K.SERVER),
}


def classify(status: int, body: bytes, **headers: str) -> Failure:
    return errors.classify(status, {k.replace("_", "-"): v for k, v in headers.items()}, body, WALL)


@pytest.mark.parametrize("name", CASES)
def test_a_providers_answer_becomes_the_right_kind(name: str) -> None:
    """The kind decides who is blamed, what is tried next, and what locks a key out."""
    status, body, kind = CASES[name]
    failure = classify(status, body)
    assert failure.kind is kind
    assert failure.status == status
    assert failure.message


def test_every_kind_that_a_status_means_is_shown() -> None:
    """The table of cases is complete."""
    assert set(errors.BY_STATUS) <= {status for status, _, _ in CASES.values()}
    assert set(errors.BY_STATUS.values()) <= {kind for _, _, kind in CASES.values()}


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_a_code_is_known_however_it_is_written(code: str) -> None:
    """Azure writes DeploymentNotFound, Gemini RESOURCE_EXHAUSTED; a type stands for a code that is missing."""
    kind = errors.BY_CODE[code]
    status = {K.RATE: 429, K.NO_MODEL: 404, K.OVERLOADED: 503, K.SERVER: 500, K.PROVIDER_TIMEOUT: 504}.get(kind, 400)
    for more in ({"code": code}, {"code": code.upper()}, {"type": code, "code": status}, {"type": code, "code": None}):
        assert classify(status, said("something", **more)).kind is kind


def test_the_message_code_and_param_are_the_providers_own() -> None:
    """They tell a developer more than lbd could."""
    failure = classify(400, said("Invalid value: 'x'.", type="invalid_request_error", param="n", code="invalid_value"))
    assert (failure.message, failure.code, failure.param) == ("Invalid value: 'x'.", "invalid_value", "n")
    assert classify(400, AZURE_FILTER).code == "ResponsibleAIPolicyViolation"
    assert classify(400, said("x", code=400, param=5)) == Failure(
        K.BAD_REQUEST, "x", status=400, body=said("x", code=400, param=5)
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error":{"message":"a"}}', "a"),
        (b'{"error":"a"}', "a"),
        (b'{"message":"a"}', "a"),
        (b'{"detail":"a"}', "a"),
        (b'{"detail":{"error":"a"}}', '{"error":"a"}'),
        (b'{"error":{"error":{"message":"a"}}}', "a"),
        (b'[{"error":{"message":"a"}}]', "a"),
        (b'{"error":{"message":["a",1]}}', '["a",1]'),
        (b'{"error":{"message":"","detail":"a"}}', "a"),
        (b'{"error_description":"a"}', "a"),
        (b'{"msg":"a"}', "a"),
        (b'"a"', "a"),
        (b" a \n", "a"),
        (b"\xffa", "\ufffda"),
        (b"{}", "HTTP 418 without a message"),
        (b"[]", "HTTP 418 without a message"),
        (b"", "HTTP 418 without a message"),
        (b"5", "HTTP 418 without a message"),
        (b'{"error":{"message":null}}', "HTTP 418 without a message"),
    ],
)
def test_the_message_is_found_wherever_it_stands(body: bytes, message: str) -> None:
    """Every server has its own idea of an error body."""
    assert classify(418, body).message == message


def test_long_messages_are_cut_and_long_bodies_dropped() -> None:
    """They go into logs and into the journal."""
    failure = classify(500, said("x" * 100_000))
    assert len(failure.message) == 2000
    assert failure.body is None
    assert len(classify(500, b"x" * 100_000).message) == 200


def test_only_a_json_object_is_kept_as_a_body() -> None:
    """It is what goes back to the client as it came; a web page never does."""
    assert classify(400, said("x")).body == said("x")
    assert classify(400, HTML).body is None
    assert classify(429, GEMINI_QUOTA).body is None


def test_a_redirect_names_the_likely_fault() -> None:
    """lbd follows none: a key must not travel to where an answer points."""
    assert "base_url" in classify(307, HTML).message


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (said("x"), {"retry_after": "7"}, 7.0),
        (said("x"), {"retry_after_ms": "250", "retry_after": "1"}, 0.25),
        (said("x"), {"retry_after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        (said("Please try again in 7.66s."), {}, 7.66),
        (said("Please try again in 7.66s."), {"retry_after": "8"}, 8.0),
        (said("Please retry after 26 seconds.", code="429"), {}, 26.0),
        (b"Slow down. Retry after 3", {}, 3.0),
        (GEMINI_QUOTA, {}, 26.0),
        (GEMINI_QUOTA, {"retry_after": "5"}, 5.0),
        (said("x"), {"retry_after": "soon"}, None),
        (said("x"), {}, None),
    ],
)
def test_the_wait_is_taken_from_header_message_or_details(
    body: bytes, headers: dict[str, str], seconds: float | None
) -> None:
    """An honoured wait is what keeps a rate limit from becoming an outage."""
    assert classify(429, body, **headers).retry_after_s == seconds


DEEP = 900
JUNK: dict[str, bytes] = {
    "error in error": b'{"error":' * DEEP + b"{}" + b"}" * DEEP,
    "list in list": b"[" * DEEP + b"]" * DEEP,
    "deep message": b'{"message":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep type": b'{"message":"x","type":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "brackets": b"[" * 200_000,
    "odd digits": '{"error":{"code":"²²²"}}'.encode(),
    "many digits": b'{"error":{"code":"' + b"4" * 5000 + b'"}}',
    "odd members": b'{"error":{"message":5,"code":{},"type":[1],"param":{},"innererror":{"code":7}}}',
    "odd inner": b'{"error":{"innererror":"x","code":true}}',
}


@pytest.mark.parametrize("name", JUNK)
def test_odd_bodies_raise_nothing(name: str) -> None:
    """An exception here would take the place of the answer to the client."""
    body = JUNK[name]
    for status in (302, 400, 404, 429, 500):
        assert classify(status, body).status == status
    if body[-1:] == b"}":
        assert errors.in_band(json.loads(body)).kind is K.STREAM_ERROR


bodies = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["429", "loading model", "model"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "code", "type", "param", "innererror", "detail", "status"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)


@given(st.integers(300, 599), st.binary(max_size=80) | bodies.map(lambda b: json.dumps(b).encode()))
def test_any_status_with_any_body_is_a_failure_that_blames_someone(status: int, body: bytes) -> None:
    """And a 5xx never hands the fault to the client, except where it plainly speaks of the request."""
    failure = classify(status, body)
    assert failure.kind in TABLE
    assert failure.message
    assert failure.retry_after_s is None or failure.retry_after_s >= 0
    if status >= 500 and failure.kind not in (K.UNSUPPORTED, K.CONTEXT):
        assert failure.row.blame is not Blame.CLIENT
    json.loads(errors.encode(failure))


@given(bodies)
def test_any_error_in_band_is_a_failure_of_the_provider_or_a_known_word(error: object) -> None:
    """It came in a stream that had begun well: what is not known for something else is the stream's failure."""
    failure = errors.in_band(error)
    assert failure.kind in (K.STREAM_ERROR, K.RATE, K.OVERLOADED, K.MONEY, K.AUTH, K.CONTEXT, K.CONTENT_FILTER)
    assert failure.status == 200
    assert failure.message


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "x", "code": 429}, K.RATE),
        ({"message": "x", "code": "429"}, K.RATE),
        ({"message": "x", "code": 503}, K.OVERLOADED),
        ({"message": "x", "code": 502}, K.STREAM_ERROR),
        ({"message": "x", "code": 402}, K.MONEY),
        ({"message": "x", "code": 400}, K.STREAM_ERROR),
        ({"message": TOO_LONG, "code": 400}, K.CONTEXT),
        ({"message": TOO_LONG}, K.CONTEXT),
        ({"message": "x", "code": 9}, K.STREAM_ERROR),
        ({"message": "x", "code": True}, K.STREAM_ERROR),
        ({"message": "x", "type": "overloaded_error"}, K.OVERLOADED),
        ({"message": "x", "code": "content_filter"}, K.CONTENT_FILTER),
        ({"message": "x", "code": "invalid_api_key"}, K.AUTH),
        ({"message": "x", "code": "model_not_found"}, K.STREAM_ERROR),
        ({"message": "x", "code": 404}, K.STREAM_ERROR),
        ({"message": "Loading model", "code": 503}, K.STREAM_ERROR),
        ("the provider died", K.STREAM_ERROR),
        (["x"], K.STREAM_ERROR),
        (True, K.STREAM_ERROR),
        ({}, K.STREAM_ERROR),
    ],
)
def test_an_error_inside_a_200_is_told_apart_by_its_code(error: object, kind: FailureKind) -> None:
    """Some gateways send every error with a good status."""
    assert errors.in_band(error).kind is kind


@pytest.mark.parametrize("kind", list(FailureKind))
def test_a_failure_is_written_as_openai_writes_it(kind: FailureKind) -> None:
    """Type and code are what applications look at; where OpenAI has a word for it, it is OpenAI's."""
    error = json.loads(errors.encode(Failure(kind, 'why "so" é')))["error"]
    word = {
        K.CONTEXT: "context_length_exceeded",
        K.CONTENT_FILTER: "content_filter",
        K.RATE: "rate_limit_exceeded",
        K.LIMITED: "rate_limit_exceeded",
        K.RATE_LIMIT: "rate_limit_exceeded",
        K.BUDGET: "insufficient_quota",
        K.UNKNOWN_MODEL: "model_not_found",
    }.get(kind, str(kind))
    assert error == {"message": 'why "so" é', "type": TABLE[kind].type, "param": None, "code": word}
    own = json.loads(errors.encode(Failure(kind, "why", code="c", param="p")))["error"]
    of_kind = {K.CONTEXT: "context_length_exceeded", K.AUTH: "auth", K.MONEY: "out_of_money"}
    assert (own["code"], own["param"]) == (of_kind.get(kind, "c"), "p")


@pytest.mark.parametrize(
    ("body", "passes"),
    [
        (b'{"error":{"message":"x","type":"t","param":null,"code":null}}', True),
        (b'{"error":{"message":"x","type":"t","param":"p","code":"c","more":1}}', True),
        (AZURE_FILTER, True),
        (b'{"error":{"message":"x","type":"t","param":null,"code":400}}', False),
        (b'{"error":{"message":"x","type":"t","code":"c"}}', False),
        (b'{"error":{"message":null,"type":"t","param":null,"code":"c"}}', False),
        (b'{"error":"x"}', False),
        (b'{"message":"x"}', False),
        (b"[]", False),
        (b"<html>", False),
        (b"", False),
        (b"[" * 5000, False),
    ],
)
def test_only_openais_own_shape_goes_back_as_it_came(body: bytes, passes: bool) -> None:
    """llama.cpp's numeric code breaks typed clients."""
    assert errors.is_openai_shaped(body) is passes


@given(st.sampled_from(list(FailureKind)), st.text(), st.none() | st.text(), st.none() | st.text())
def test_what_lbd_writes_may_pass(kind: FailureKind, message: str, code: str | None, param: str | None) -> None:
    """One lbd behind another hands errors through."""
    assert errors.is_openai_shaped(errors.encode(Failure(kind, message, code=code, param=param)))


@pytest.mark.parametrize(
    ("kind", "code"), [(FailureKind.AUTH, "invalid_api_key"), (FailureKind.MONEY, "insufficient_quota")]
)
def test_a_fault_of_lbds_own_account_is_not_told_as_the_clients(kind: FailureKind, code: str) -> None:
    """Applications go by these words: the client's own key and money are in order."""
    assert json.loads(errors.encode(Failure(kind, "no", status=401, code=code)))["error"]["code"] == kind


def test_a_page_for_people_is_not_repeated() -> None:
    """A proxy's page of an error says nothing to a program, and names hosts. Plain words do."""
    assert errors.classify(502, {}, b"<html>at http://inner</html>", 0.0).message == "HTTP 502 without a message"
    assert errors.classify(502, {}, b"bad gateway", 0.0).message == "bad gateway"
