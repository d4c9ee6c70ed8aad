"""`firstline flows` checks, shows and exports flows, and nothing acts on who reads them."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from domain.flows import Action, Flow, ResolveEnd
from firstline.catalogue_file import lint_file
from firstline.flows.export import as_catalogue
from firstline.flows.mermaid import flowchart
from firstline.flows.tree import tree, wide_enough
from firstline.load import CatalogueError, load_file, read_file
from firstline.looking import ask
from storage.looking import FlowSeen
from storage.walkables import parse_flow
from tests.builders import ACME, FLOW, MAIL, PROPOSAL, an_id

Json = dict[str, Any]
ARTICLE = an_id(0x22)
NODES: Json = {
    "n1": {
        "type": "question",
        "text": "Does it\nring?",
        "options": [
            {"id": "y", "label": "Yes", "next": "n2"},
            {"id": "n", "label": 'No, "never"', "next": "esc"},
            {"id": "again", "label": "\x1b[2JMaybe", "next": "n1"},
        ],
    },
    "n2": {"type": "action", "text": "1. Hang up.", "next": "n3"},
    "n3": {"type": "article", "text": "Read <this>.", "article_id": ARTICLE, "next": "done"},
    "done": {"type": "resolve", "text": "Solved."},
    "esc": {"type": "escalate", "reason_category": "network", "text": "Beyond us."},
    "lost": {"type": "action", "text": "Nobody comes here.", "next": "done"},
}


def a_flow(**more: object) -> Json:
    told: Json = {"id": FLOW, "account_id": ACME, "version": 1, "title": "Phones", "start": "n1"}
    return told | {"category": "voice", "archived": False, "nodes": NODES} | more


def catalogue(*flows: Json, **more: object) -> Json:
    article = {"id": ARTICLE, "account_id": ACME, "title": "Phones", "body": "They ring."}
    acme = {"id": ACME, "name": "Acme MSP"}
    return {"accounts": [acme], "articles": [article], "flows": [*flows], **more}


def a_file(folder: Path, content: object) -> Path:
    path = folder / "catalogue.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


# -- lint -------------------------------------------------------------------------------------


def test_all_faults_of_all_flows_are_told_at_once(tmp_path: Path) -> None:
    circle = {name: {"type": "action", "text": "!", "next": name} for name in ("a", "b")}
    content = catalogue(
        a_flow(start="n0"),
        a_flow(version=2, nodes=NODES | {"n2": {"type": "action", "text": "", "next": "n9"}}),
        a_flow(id=an_id(0x13), start="x" * 101, nodes={"x" * 101: NODES["done"]}),
        flow_proposals=[
            {"id": PROPOSAL, "account_id": ACME, "title": "Mail", "start": "a", "nodes": circle}
        ],
        users=[{"id": "no matter of flows"}],
    )
    count, problems = lint_file(a_file(tmp_path, content))
    assert count == 4
    assert [problem.split(": String should")[0] for problem in problems] == [
        f"flows {FLOW}, nodes.n2.text",
        f"flows {an_id(0x13)}, start",
        f"flows {an_id(0x13)}, nodes.{'x' * 101}.[key]",
        f"flows {FLOW}: the start 'n0' is not one of the nodes",
        f"flows {FLOW}: 'n2' leads to 'n9', which is not one of the nodes",
        f"flows {FLOW}: 'n2' never reaches an end",
        f"flows {FLOW}: 'n3' is never reached",
        f"flows {FLOW}: 'done' is never reached",
        f"flows {FLOW}: 'lost' is never reached",
        f"flow_proposals {PROPOSAL}: 'a' never reaches an end",
        f"flow_proposals {PROPOSAL}: 'b' never reaches an end",
        f"flow_proposals {PROPOSAL}: 'b' is never reached",
    ]


def test_loading_tells_of_every_walk_that_cannot_end_and_lets_a_lost_node_be(
    tmp_path: Path,
) -> None:
    stuck = NODES | {"n2": NODES["n2"] | {"next": "n2"}}
    content = catalogue(a_flow(nodes=stuck), a_flow(version=2, start="n0"), a_flow(version=3))
    with pytest.raises(CatalogueError) as refused:
        read_file(a_file(tmp_path, content))
    assert refused.value.problems == (
        f"flows {FLOW}: 'n2' never reaches an end",
        f"flows {FLOW}: the start 'n0' is not one of the nodes",
    )
    assert lint_file(a_file(tmp_path, catalogue(a_flow())))[1] == [
        f"flows {FLOW}: 'lost' is never reached"
    ]
    assert read_file(a_file(tmp_path, catalogue(a_flow()))).flows


def test_a_section_that_is_misspelt_is_told(tmp_path: Path) -> None:
    _, problems = lint_file(a_file(tmp_path, {"flow": [a_flow()]}))
    assert problems == ["flow: Extra inputs are not permitted"]


@pytest.mark.parametrize(
    "flows", ["none", [7], [{"nodes": 7}], [{"start": "a", "nodes": {"a": 7}}], {}]
)
def test_what_is_no_flow_at_all_is_told_and_not_followed(tmp_path: Path, flows: object) -> None:
    _, problems = lint_file(a_file(tmp_path, {"flows": flows}))
    assert problems
    assert all("flows" in problem for problem in problems)


# -- show and export --------------------------------------------------------------------------


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> str:
    later = a_flow(version=2, title="Phones, again", category=None)
    await load_file(a_file(tmp_path, catalogue(a_flow(), later)), database_url)
    return database_url


async def test_the_tree_tells_each_node_once_in_the_order_of_walking(desk: str) -> None:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(tree(await ask.flow(desk, FLOW, 1)))
    assert [line.rstrip() for line in capture.get().splitlines()] == [
        "flow Phones",
        f"├── id: {FLOW}",
        f"├── account: Acme MSP {ACME}",
        "├── version: 1 of 1, 2",
        "├── category: voice",
        "├── n1 question: Does it\\nring?",
        "│   ├── Yes",
        "│   │   ├── n2 action: 1. Hang up.",
        f"│   │   ├── n3 article {ARTICLE}: Read <this>.",
        "│   │   └── done resolve: Solved.",
        '│   ├── No, "never"',
        "│   │   └── esc escalate as network: Beyond us.",
        "│   └── \\u001b[2JMaybe",
        "│       └── → n1, above",
        "└── lost action: Nobody comes here., never reached",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_however_deep_questions_nest_nothing_is_cut_off(*, terminal: bool) -> None:
    options = [{"id": "y", "label": "Yes", "next": ""}]
    asked = {"type": "question", "text": "Does it ring, " * 9 + "now?", "options": options}
    nodes = {
        f"q{place}": asked | {"options": [options[0] | {"next": f"q{place + 1}"}]}
        for place in range(40)
    }
    nodes["q40"] = {"type": "resolve", "text": "Solved."}
    seen = FlowSeen(FLOW, ACME, "Acme", False, 1, [1], "Phones", None, "q0", json.dumps(nodes))  # noqa: FBT003 - a row
    shown = tree(seen)
    written = StringIO()
    narrow = Console(width=60, file=written, force_terminal=terminal, color_system=None)
    wide_enough(shown, narrow).print(shown)
    lines = written.getvalue().splitlines()
    assert lines[-1].endswith("Solved.")
    assert sum(line.count("ring") for line in lines) == 40 * 9


async def test_the_newest_version_is_shown_where_none_is_named(desk: str) -> None:
    seen = await ask.flow(desk, FLOW, None)
    assert (seen.version, seen.title, seen.category) == (2, "Phones, again", None)


@pytest.mark.parametrize(
    ("flow_id", "version", "sentence"),
    [
        (FLOW, 3, f"there is no version 3 of a flow {FLOW}"),
        (an_id(0x99), None, f"there is no flow {an_id(0x99)}"),
        ("n1", None, "is no id"),
    ],
)
async def test_a_flow_that_is_not_there_is_one_sentence(
    desk: str, flow_id: str, version: int | None, sentence: str
) -> None:
    with pytest.raises(ask.NothingToShow, match=sentence):
        await ask.flow(desk, flow_id, version)


async def test_what_is_exported_is_what_was_loaded(desk: str, tmp_path: Path) -> None:
    text = as_catalogue(await ask.flow(desk, FLOW, 1))
    assert "\x1b" not in text
    exported = json.loads(text)
    assert exported == {"flows": [a_flow()]}
    assert list(exported["flows"][0]["nodes"]) == ["n1", "n2", "esc", "n3", "done", "lost"]
    loaded = await load_file(a_file(tmp_path, exported), desk)
    assert loaded.tables["flow_versions"].unchanged == 1


def test_a_chart_has_a_shape_for_each_type_and_nothing_acts_on_mermaid() -> None:
    assert flowchart(parse_flow("n1", json.dumps(NODES))).splitlines() == [
        "flowchart TD",
        '    n0{"Does it<br/>ring?"}',
        '    n1["1#46; Hang up."]',
        '    n2{{"Beyond us.<br/>network"}}',
        '    n3[/"Read #60;this#62;."/]',
        '    n4(["Solved."])',
        '    n5["Nobody comes here."]',
        '    n0 -->|"Yes"| n1',
        '    n0 -->|"No, #34;never#34;"| n2',
        '    n0 -->|"#27;#91;2JMaybe"| n0',
        "    n1 --> n3",
        "    n3 --> n4",
        "    n5 --> n4",
    ]


def test_ids_of_nodes_are_never_words_of_the_chart() -> None:
    flow = Flow("end", {"end": Action("end", "Go on.", "x y"), "x y": ResolveEnd("x y", "Done.")})
    assert flowchart(flow).splitlines()[1:] == [
        '    n0["Go on."]',
        '    n1(["Done."])',
        "    n0 --> n1",
    ]


def test_a_chart_of_a_flow_of_every_type_names_each_node_once() -> None:
    lines = flowchart(MAIL).splitlines()
    assert len([line for line in lines if "-->" not in line]) == 1 + len(MAIL.nodes)
