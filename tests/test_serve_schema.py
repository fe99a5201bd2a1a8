"""schemathesis over the whole OpenAPI: whatever is sent, no answer of 500 and more, and none that OpenAPI does not describe.

The application without its models: here it is requests that are tried, and a model would write for hours.
"""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from test_serve_access import client

pytestmark = pytest.mark.slow
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# These two start llama.cpp and DVC for every example; test_serve_generate.py and the jobs' own tests ask them.
HEAVY = ["/api/v1/models/load", "/api/v1/training/jobs"]


@pytest.fixture(scope="module")
def api(served, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(served)
        yield schemathesis.openapi.from_asgi("/openapi.json", client(tmp_path_factory.mktemp("home"), rate="1000000/minute").app)


schema = schemathesis.pytest.from_fixture("api").exclude(path=HEAVY, method="POST")


@schema.parametrize()
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_no_answer_is_a_surprise(case):
    case.call_and_validate(checks=CHECKS, headers={"Host": "127.0.0.1:8000"})
