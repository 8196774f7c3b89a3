"""The configurations in docs/frames.md: they are YAML, and each call that they make is answered as they expect.

Whether ESPHome and Home Assistant take them is checked by hand, with those programs; the document says with which.
"""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from jinja2 import StrictUndefined
from jinja2.sandbox import SandboxedEnvironment
from PIL import Image
from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar

from tests.support import frame_library, server

pytestmark = pytest.mark.server

FRAMES = (Path(__file__).parents[3] / "docs/frames.md").read_text()
SERVER = "http://192.168.1.10:8080"
KILOBYTE = 1000


def blocks(title: str, kind: str) -> list[str]:
    """The code of this kind below the heading."""
    section = FRAMES.partition(f"\n{title}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)


class Home:
    """A backend with one frame, `kitchen`, and what the configurations know: its address and its secret."""

    def __init__(self, backend: server.BackendServer, *, pairing: bool, wide: int, tall: int) -> None:
        self.backend = backend
        made = backend.add_device("kitchen", 800, 480, pairing=pairing)
        self.secrets = {"frame_authorization": f"Bearer {made['token']}", "wifi_ssid": "x", "wifi_password": "x"}
        frame_library.upload(backend, wide=wide, tall=tall)
        frame_library.render(backend, backend.claim("run/0"))

    def configuration(self, text: str) -> Any:
        """Parsed, with the secrets and this server's address in it."""
        return self._filled(YAML(typ="rt").load(text.replace(SERVER, self.backend.url)))

    def _filled(self, value: Any) -> Any:
        if isinstance(value, TaggedScalar):
            assert value.tag.value == "!secret"
            return self.secrets[value.value]
        if isinstance(value, dict):
            return {key: self._filled(one) for key, one in value.items()}
        return [self._filled(one) for one in value] if isinstance(value, list) else value

    def picture(self, url: str) -> tuple[int, int]:
        """Return the size of the JPEG at this address, fetched without a token, as a screen does."""
        answer = httpx.get(url, headers={"Accept": "image/jpeg,*/*;q=0.8"}, timeout=10)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert int(answer.headers["content-length"]) == len(answer.content)
        return Image.open(io.BytesIO(answer.content)).size


@pytest.mark.parametrize("pairing", [False, True])
def test_the_esphome_configuration_gets_its_pictures(backend: server.BackendServer, pairing: bool) -> None:
    home = Home(backend, pairing=pairing, wide=1, tall=2)
    (text,) = blocks("## ESPHome", "yaml")
    plain = home.configuration(text)["substitutions"]
    for name, value in plain.items():
        text = text.replace(f"${{{name}}}", value)
    (script,) = home.configuration(text)["script"]
    (call,) = [step["http_request.get"] for step in script["then"] if "http_request.get" in step]
    decision = call["on_response"][0]["if"]
    assert "status_code == 200" in decision["condition"]["lambda"]
    (read,) = [step["lambda"] for step in decision["then"]]
    asked = set(re.findall(r'entry\["(\w+)"\]', read))
    limit = int(call["max_response_buffer_size"].removesuffix("kB")) * KILOBYTE
    seen = set()
    for _ in range(3):
        answer = httpx.get(call["url"], headers=call["request_headers"], timeout=10)
        assert answer.status_code == 200
        assert len(answer.content) < limit
        response = answer.json()
        entry = response["q"][0]
        base = "halfBase" if "v" in entry else "base"
        assert asked - {"v"} <= entry.keys() <= {*asked, "c"}
        assert f'"{base}"' in read
        url = entry["u"] if entry["u"].startswith("/") else response[base] + entry["u"]
        seen.add(home.picture(plain["server"] + url))
    assert seen == ({(800, 480), (400, 480)} if pairing else {(800, 480)})
    assert httpx.get(call["url"], timeout=10).status_code == 401


def test_the_home_assistant_configuration_follows_the_photo(backend: server.BackendServer) -> None:
    home = Home(backend, pairing=False, wide=1, tall=0)
    followed, coloured = (home.configuration(text) for text in blocks("## Home Assistant", "yaml"))
    (rest,) = followed["rest"]
    response = httpx.get(rest["resource"], headers=rest["headers"], timeout=10).raise_for_status().json()
    (sensor,) = rest["sensor"]
    state = {name: response[name] for name in sensor["json_attributes"]}
    entity = f"sensor.{sensor['name'].lower().replace(' ', '_')}"

    def state_attr(name: str, attribute: str) -> object:
        assert name == entity
        return state[attribute]

    def rendered(template: str) -> Any:
        """As Home Assistant does it: text without its edges, taken as a literal where it is one."""
        environment = SandboxedEnvironment(undefined=StrictUndefined)
        environment.globals.update(state_attr=state_attr, has_value=lambda name: name == entity)
        text = environment.from_string(template).render(value_json=response).strip()
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError):
            return text

    assert rendered(sensor["value_template"]) == "photo-0.jpg"
    (shown,) = followed["template"][0]["image"]
    assert rendered(shown["availability"]) is True
    assert home.picture(rendered(shown["url"])) == (800, 480)
    (light,) = coloured["automation"]
    (trigger,) = light["triggers"]
    assert (trigger["entity_id"], trigger["attribute"] in state) == (entity, True)
    assert rendered(light["conditions"]) is True
    source = response["colours"]["source"]
    assert rendered(light["actions"][0]["data"]["rgb_color"]) == list(bytes.fromhex(source[1:]))


def test_the_examples_of_calls_are_true(backend: server.BackendServer) -> None:
    Home(backend, pairing=False, wide=2, tall=0)
    calls = re.findall(r"(/api/devices/\S+) -H \S+ \S+ -d '(\{.*?\})'\n", FRAMES, re.DOTALL)
    assert len(calls) == FRAMES.count(" -d '{")
    for address, body in calls:
        backend.admin.put(address, json=json.loads(body)).raise_for_status()
    change = json.loads(calls[0][1])
    (shown,) = blocks("### Compact form", "json")
    example = json.loads(shown)
    backend.admin.put("/api/devices/kitchen", json={**change, "filters": {}, "pairing": False}).raise_for_status()
    response = backend.admin.get("/api/devices/kitchen/next?compact=1").json()
    assert response.keys() == example.keys()
    assert response["q"][0].keys() == example["q"][0].keys()
    assert len(response["q"][0]["c"]) == len(example["q"][0]["c"]) == 30
