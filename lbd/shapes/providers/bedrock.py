"""AWS Bedrock's runtime: Converse and ConverseStream for conversations, InvokeModel for embeddings.

It lists no models and has no endpoint that is free: whether its host answers at all is asked with a path that any
host of AWS answers, be it with a refusal.
"""

from __future__ import annotations

from lbd.model.secret import SecretRef
from lbd.shapes.bedrock.embed import EMBED
from lbd.shapes.bedrock.errors import classify
from lbd.shapes.bedrock.sign import SECRETS, sign
from lbd.shapes.bedrock.voice import DIALECT
from lbd.shapes.chat.passing import bearer
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape


class Bedrock(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="bedrock"):
    """AWS Bedrock. ``base_url`` is https://bedrock-runtime.REGION.amazonaws.com, ``api_key`` a Bedrock API key.

    aws_access_key_id: with the secret key, what requests are signed with where there is no api_key.
    aws_secret_access_key: the key that signs; it is not sent.
    aws_session_token: of credentials that end.
    """

    aws_access_key_id: SecretRef | str | None = None
    aws_secret_access_key: SecretRef | str | None = None
    aws_session_token: SecretRef | str | None = None


SHAPE = PROVIDERS.add("bedrock")(
    Shape(
        name="bedrock",
        config=Bedrock,
        speaks={"openai.embeddings": EMBED},
        headers=bearer,
        classify=classify,
        limits=lambda _headers, _wall: (),
        probes=FreeProbes(liveness="/ping"),
        read_models=lambda _body: None,
        dialect=DIALECT,
        lists_models=False,
        stream_accept="application/vnd.amazon.eventstream",
        secrets=SECRETS,
        sign=sign,
    )
)
