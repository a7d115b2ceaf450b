"""The card of a run: what a run of someone else's writes into it stays text."""

import json

import pytest
import yaml
from markdown_it import MarkdownIt

from cospike.evaluation import format_metrics
from cospike.metrics import Measurement
from cospike.model_card import format_card

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![a](http://e.org/a.png)",
    "[a](http://e.org)",
    "`</code><b>` | x | y",
    "a\n\n# Heading\n\n---\n",
    "<http://e.org>",
    "&lt;b&gt; **bold** ~~gone~~ $x$",
)


def a_card(text):
    """A card with ``text`` wherever a run may hold any."""
    config = {
        "cospike": text,
        "objective": {"name": text},
        "training": {"seed": text},
        "data": {"name": text, "class_names": [text, "b"], "rows": {text: 3}, "fingerprint": text},
        "model": {"shape": [3], "likelihood": text, "network": text, "n_latents": 4, "n_dense": 1},
    }
    metrics = format_metrics({text: Measurement(1.0, text, "lower", text)})
    factors = "latent,kind,classes,undecided,usage,lift,effect\n" + ",".join(json.dumps(text)[1:-1] for _ in range(7))
    return format_card(config, address="hf://a/b", metrics=metrics, factors=factors, files=["config.json"])


def structure(card):
    """Everything in a page but its words, and the words."""
    _, head, body = card.split("---\n", 2)
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(body)
    inner = [child for token in tokens for child in token.children or ()]
    kinds = [token.type for token in (*tokens, *inner) if token.type not in ("text", "code_inline", "softbreak")]
    return head, kinds, "\n".join(token.content for token in inner)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_run_says_is_text_and_nothing_else(text):
    _, plain, _ = structure(a_card("plain"))
    head, kinds, words = structure(a_card(text))
    assert kinds == plain
    assert yaml.safe_load(head)["tags"][-1] == "interpretability"
    assert " ".join(text.split()) in words
