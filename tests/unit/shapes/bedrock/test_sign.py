"""Signatures, held against botocore's own signer."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import FailureKind, LbdError
from lbd.model.provider import ProviderSpec
from lbd.model.secret import Secret
from lbd.ports import Endpoint, Origin
from lbd.shapes.bedrock.sign import KEY, KEY_ID, SECRETS, TOKEN, region_of, sign

HOST = "bedrock-runtime.eu-central-1.amazonaws.com"
HEADERS = (("user-agent", "lbd/1"), ("content-type", "application/json"), ("accept", "application/json"))
PATH = "/model/eu.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
ENDPOINT = Endpoint(Origin("https", HOST, 443), "POST", PATH, HEADERS)
PAIR = ((KEY_ID, Secret("AKIDEXAMPLE")), (KEY, Secret("wJalrXUtnFEMI/K7MDENG")))
PROVIDER = ProviderSpec("aws", "bedrock", f"https://{HOST}", secrets=PAIR)
WALL = 1_790_000_000.0


def botocores(endpoint: Endpoint, body: bytes, wall: float, region: str, token: str | None = None) -> dict[str, str]:
    """Return the headers that botocore adds to the same request."""
    now = datetime.fromtimestamp(wall, UTC)
    request = AWSRequest(
        method="POST",
        url=f"{endpoint.origin.scheme}://{endpoint.origin.authority}{endpoint.path}",
        data=body,
        headers={"content-type": "application/json", "host": endpoint.origin.authority},
    )
    with pytest.MonkeyPatch.context() as patch:  # it reads the clock itself
        patch.setattr(botocore.auth, "get_current_datetime", lambda: now)
        pair = Credentials(PAIR[0][1].reveal(), PAIR[1][1].reveal(), token)
        botocore.auth.SigV4Auth(pair, "bedrock", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    st.binary(max_size=200),
    st.floats(0, 4e9),
    st.sampled_from(
        [PATH, "/model/arn%3Aaws%3Abedrock%3A%3A1%3Ax%2Fy.z~a_b/converse-stream", "/base/model/m/converse"]
    ),
    st.sampled_from(
        [
            HOST,
            "bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            "vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com",
        ]
    ),
    st.sampled_from([443, 8443]),
    st.none() | st.text("abcXYZ09+/=", min_size=1, max_size=40),
)
def test_a_signature_is_the_one_that_botocore_makes(
    body: bytes, wall: float, path: str, host: str, port: int, token: str | None
) -> None:
    """For any body, time, path, host and token."""
    endpoint = replace(ENDPOINT, path=path, origin=Origin("https", host, port))
    secrets = (*PAIR, (TOKEN, Secret(token))) if token else PAIR
    provider = replace(PROVIDER, secrets=secrets)
    found = dict(sign(endpoint, body, wall, provider).headers)
    theirs = botocores(endpoint, body, wall, region_of(host, provider), token)
    assert found["authorization"] == theirs["authorization"]
    assert found["x-amz-date"] == theirs["x-amz-date"]
    assert found.get("x-amz-security-token") == theirs.get("x-amz-security-token") == token


def test_all_else_of_the_endpoint_stays() -> None:
    """A header that was configured as a credential gives way; and nothing of it is worth remembering."""
    made = sign(replace(ENDPOINT, headers=(*HEADERS, ("authorization", "x"))), b"{}", WALL, PROVIDER)
    assert made.headers[:3] == HEADERS
    assert [name for name, _ in made.headers[3:]] == ["x-amz-date", "authorization"]
    assert not made.lasting
    assert (made.origin, made.method, made.path, made.pool) == (ENDPOINT.origin, "POST", PATH, True)


def test_the_secret_itself_is_not_sent() -> None:
    """Only what is made of it."""
    assert "wJalrXUtnFEMI" not in str(sign(ENDPOINT, b"{}", WALL, PROVIDER).headers)


@pytest.mark.parametrize(
    "provider",
    [
        replace(PROVIDER, api_key=Secret("k")),
        replace(PROVIDER, secrets=()),
        replace(PROVIDER, api_key=Secret("k"), secrets=()),
    ],
)
def test_with_a_key_or_without_credentials_nothing_is_signed(provider: ProviderSpec) -> None:
    """The key is in the endpoint already."""
    assert sign(ENDPOINT, b"{}", WALL, provider) is ENDPOINT


@pytest.mark.parametrize(("secrets", "lacks"), [(PAIR[:1], KEY), (PAIR[1:], KEY_ID), (((TOKEN, Secret("t")),), KEY_ID)])
def test_half_of_the_credentials_is_none(secrets: tuple[tuple[str, Secret], ...], lacks: str) -> None:
    """A person must see to it."""
    with pytest.raises(LbdError) as e:
        sign(ENDPOINT, b"{}", WALL, replace(PROVIDER, secrets=secrets))
    assert e.value.failure.kind is FailureKind.AUTH and lacks in e.value.failure.message


def test_the_region_is_the_hosts_else_the_configured_one() -> None:
    """A gateway of one's own names none."""
    assert region_of(HOST, replace(PROVIDER, region="us-east-1")) == "eu-central-1"
    assert region_of("bedrock.corp.example", replace(PROVIDER, region="us-east-1")) == "us-east-1"
    with pytest.raises(LbdError) as e:
        region_of("bedrock.corp.example", PROVIDER)
    assert e.value.failure.kind is FailureKind.AUTH and "region" in e.value.failure.message


def test_the_configurations_keys_are_named_as_in_the_signer() -> None:
    """The shape's configuration holds each of them."""
    from lbd.shapes.providers.bedrock import Bedrock

    assert set(SECRETS) <= set(Bedrock.__struct_fields__)
