"""The providers that other gateways know by a word: our shape for each, where it is, and the variable its key is in."""

from __future__ import annotations

from typing import NamedTuple

from lbd.adapt.words import slug


class House(NamedTuple):
    """A provider. ``base_url`` None: each account has its own; ``path``: what it ends with, where it names none."""

    shape: str
    base_url: str | None
    env: str
    path: str = "/v1"
    keyless: bool = False


HOUSES: dict[str, House] = {
    "openai": House("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", ""),
    "anthropic": House("anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "gemini": House("gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY", "/v1beta"),
    "mistral": House("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "cohere": House("cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY", "/compatibility/v1"),
    "openrouter": House("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", ""),
    "azure": House("azure", None, "AZURE_API_KEY", "/openai"),
    "bedrock": House("bedrock", None, "AWS_BEARER_TOKEN_BEDROCK", ""),
    "vertex": House("vertex", None, "VERTEX_ACCESS_TOKEN", ""),
    "vllm": House("vllm", "http://127.0.0.1:8000/v1", "VLLM_API_KEY", keyless=True),
    "sglang": House("sglang", "http://127.0.0.1:30000/v1", "SGLANG_API_KEY", keyless=True),
    "llamacpp": House("llamacpp", "http://127.0.0.1:8080/v1", "LLAMACPP_API_KEY", keyless=True),
    "ollama": House("ollama", "http://127.0.0.1:11434/v1", "OLLAMA_API_KEY", keyless=True),
    "lm-studio": House("openai", "http://127.0.0.1:1234/v1", "LM_STUDIO_API_KEY", keyless=True),
    "groq": House("openai", "https://api.groq.com/openai/v1", "GROQ_API_KEY", ""),
    "together": House("openai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY", ""),
    "fireworks": House("openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", ""),
    "deepseek": House("openai", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", ""),
    "xai": House("openai", "https://api.x.ai/v1", "XAI_API_KEY", ""),
    "perplexity": House("openai", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY", ""),
    "cerebras": House("openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", ""),
    "nebius": House("openai", "https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY", ""),
    "deepinfra": House("openai", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", ""),
    "nvidia-nim": House("openai", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY", ""),
    "sambanova": House("openai", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", ""),
    "moonshot": House("openai", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", ""),
    "hyperbolic": House("openai", "https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY", ""),
    "parasail": House("openai", "https://api.parasail.io/v1", "PARASAIL_API_KEY", ""),
    "huggingface": House("openai", "https://router.huggingface.co/v1", "HUGGINGFACE_API_KEY", ""),
}
_OTHER_NAMES = {
    "azure-openai": "azure", "azure-ai": "azure", "azure-text": "azure", "azureopenai": "azure",
    "vertex-ai": "vertex", "vertex-ai-beta": "vertex", "google": "gemini", "google-ai-studio": "gemini",
    "mistral-ai": "mistral", "codestral": "mistral", "cohere-chat": "cohere", "x-ai": "xai",
    "together-ai": "together", "fireworks-ai": "fireworks", "perplexity-ai": "perplexity",
    "hosted-vllm": "vllm", "sgl": "sglang", "llamafile": "llamacpp", "ollama-chat": "ollama",
    "text-completion-openai": "openai", "openai-like": "openai", "custom-openai": "openai",
    "bedrock-converse": "bedrock", "nvidia": "nvidia-nim", "moonshotai": "moonshot", "aws-bedrock": "bedrock",
}  # fmt: skip
# How models of a house are called, where no word before them says whose they are. The first that fits.
_MODELS = (
    ("claude", "anthropic"), ("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"),
    ("o4", "openai"), ("text-embedding-", "openai"), ("dall-e", "openai"), ("whisper", "openai"), ("tts-", "openai"),
    ("text-moderation", "openai"), ("omni-moderation", "openai"), ("davinci", "openai"), ("babbage", "openai"),
    ("gemini", "gemini"), ("mistral-", "mistral"), ("command", "cohere"), ("deepseek-", "deepseek"), ("grok", "xai"),
)  # fmt: skip


def find(word: str) -> str | None:
    """Return our word for a provider, None where it is not known."""
    word = word.strip().lower().replace("_", "-")
    word = _OTHER_NAMES.get(word, word)
    return word if word in HOUSES else None


def guess(slug: str) -> str | None:
    """Return the provider that a name chosen by a person speaks of, such as ``openai-prod-1a2b``."""
    parts = slug.lower().replace("_", "-").split("-")
    for n in (3, 2, 1):
        for i in range(len(parts) - n + 1):
            if (found := find("-".join(parts[i : i + n]))) is not None:
                return found
    return None


def of_model(model: str) -> str | None:
    """Return whose model it is by its name alone, None where that does not tell."""
    return next((house for start, house in _MODELS if model.lower().startswith(start)), None)


def serves(model: str) -> list[str] | None:
    """Return what a model is for, as its name tells; None for conversations."""
    name = model.lower()
    for sign, what in (
        ("rerank", "rerank"), ("embed", "embeddings"), ("dall-e", "images"), ("gpt-image", "images"),
        ("nova-canvas", "images"), ("titan-image", "images"), ("stable-diffusion", "images"), ("imagen-", "images"),
        ("whisper", "transcriptions"),
        ("transcribe", "transcriptions"), ("tts", "speech"), ("moderation", "moderations"),
        ("turbo-instruct", "completions"), ("davinci-002", "completions"), ("babbage-002", "completions"),
    ):  # fmt: skip
        if sign in name:
            return [what]
    return None


def ended(base: str, house: House) -> str:
    """Return an address as ours is written: with the path of the house, where it has none."""
    base = base.rstrip("/")
    for suffix in ("/chat/completions", "/completions", "/embeddings", "/messages", "/responses"):
        base = base.removesuffix(suffix)
    after_host = base.partition("://")[2].partition("/")[2]
    return base if after_host else base + house.path


def claude_on_azure(base: str) -> str:
    """Return where a resource of Azure's speaks as Anthropic does, which is how it serves Claude."""
    root = base.rstrip("/").removesuffix("/v1").removesuffix("/openai").removesuffix("/messages").removesuffix("/v1")
    return f"{root.removesuffix('/anthropic')}/anthropic/v1"


def bedrock(region: str) -> str:
    """Return the address of Bedrock in a region."""
    return f"https://bedrock-runtime.{slug(region)}.amazonaws.com"


def vertex(project: str, region: str, publisher: str) -> str:
    """Return the address of a publisher's models on Vertex AI."""
    region = slug(region)
    host = "aiplatform.googleapis.com" if region == "global" else f"{region}-aiplatform.googleapis.com"
    return f"https://{host}/v1/projects/{project}/locations/{region}/publishers/{publisher}"


def published(model: str) -> tuple[str, str]:
    """Return who publishes a model on Vertex AI and its bare name, however the two are written together."""
    model = model.removeprefix("publishers/").replace("/models/", "/", 1)
    publisher, slash, name = model.partition("/")
    if slash:
        return publisher, name
    publisher, dot, name = model.partition(".")
    if dot and publisher in ("google", "anthropic", "meta", "mistralai"):
        return publisher, name
    return ("anthropic" if model.startswith("claude") else "google"), model
