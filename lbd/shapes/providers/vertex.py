"""Google's models on Vertex AI: the Gemini API's bodies, below a project and a region, asked with an access token.

A project has no list of the models that it may ask for, so that a wrong token shows only when it is used.
"""

from __future__ import annotations

from lbd.shapes.chat.passing import bearer
from lbd.shapes.gemini.count import COUNT_VERTEX
from lbd.shapes.gemini.errors import classify
from lbd.shapes.gemini.predict import PREDICT
from lbd.shapes.gemini.voice import DIALECT
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape


class Vertex(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="vertex"):
    """Google's models on Vertex AI.

    ``base_url`` is https://REGION-aiplatform.googleapis.com/v1/projects/PROJECT/locations/REGION/publishers/google,
    ``api_key`` an access token, which whoever runs lbd keeps fresh.
    """


SHAPE = PROVIDERS.add("vertex")(
    Shape(
        name="vertex",
        config=Vertex,
        speaks={"openai.embeddings": PREDICT, "anthropic.count_tokens": COUNT_VERTEX},
        headers=bearer,
        classify=classify,
        limits=lambda _headers, _wall: (),
        probes=FreeProbes(liveness="models"),
        read_models=lambda _body: None,
        dialect=DIALECT,
        lists_models=False,
    )
)
