"""The JSON Schema of configurations, for editors."""

from __future__ import annotations

import json
from typing import Any

from propulate_like.evaluation.command import Command
from propulate_like.evaluation.pruning import PRUNERS
from propulate_like.evaluation.settings import EvaluationSettings
from propulate_like.foundation import declarations
from propulate_like.foundation.struct_forms import struct_schema
from propulate_like.problem.budget import Budget
from propulate_like.problem.fidelity import Fidelity
from propulate_like.problem.parameters import KINDS
from propulate_like.propagators import PROPAGATORS, Propagator
from propulate_like.search.callbacks import CALLBACKS
from propulate_like.search.config_places import IGNORED
from propulate_like.search.islands.migration import Islands
from propulate_like.search.islands.topologies import TOPOLOGIES, Topology
from propulate_like.search.specification import Settings
from propulate_like.storage.warm_start import FORMS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration, for editors; docstrings say what each key is."""
    whole = struct_schema(Settings)
    step = {"$ref": "#/$defs/step"}
    definitions = whole["$defs"]
    definitions["step"] = {"anyOf": [*PROPAGATORS.schema({Propagator: step}), {"type": "array", "items": step}]}
    definitions["parameter"] = {"anyOf": [kind.schema() for kind in KINDS.values()]}
    properties = definitions["Settings"]["properties"]
    definitions["rule"] = {"anyOf": [*PRUNERS.schema(), {"type": "array", "items": {"$ref": "#/$defs/rule"}}]}
    properties["pruner"] = {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/rule"}], "default": None}
    properties["fidelity"] = {
        "anyOf": [{"type": "null"}, declarations.schema(Fidelity, {})["anyOf"][0]],
        "default": None,
    }
    callback = {"anyOf": CALLBACKS.schema()}
    properties["callbacks"] = {
        "anyOf": [{"type": "null"}, callback, {"type": "array", "items": callback}], "default": None
    }  # fmt: skip
    definitions["topology"] = {"anyOf": [{"type": "array"}, *TOPOLOGIES.schema()]}
    islands = declarations.schema(Islands, {Propagator: step, Topology: {"$ref": "#/$defs/topology"}})
    properties["islands"] = {
        "anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1}, {"type": "array"}, islands["anyOf"][0]],
        "default": None,
    }
    source = [{"type": "string"}, *(declarations.schema(form, {})["anyOf"][0] for form in FORMS)]
    sources = {"type": "array", "items": {"anyOf": [*source, {"type": "object"}]}}
    properties["warm_start"] = {"anyOf": [{"type": "null"}, *source, sources], "default": None}
    properties["propagator"] = {"anyOf": [{"const": "auto"}, step], "default": "auto"}
    properties["space"] = {"$ref": "#/$defs/parameters"}
    definitions["parameters"] = {
        "type": "object",
        "description": "Parameters by their names, or mappings of them, which the loss gets nested in the same way.",
        "minProperties": 1,
        "additionalProperties": {"anyOf": [{"$ref": "#/$defs/parameter"}, {"$ref": "#/$defs/parameters"}]},
    }
    definitions["Settings"]["patternProperties"] = {f"^{IGNORED}": {}}
    for struct in (Settings, Command, Budget, EvaluationSettings):
        keys = definitions[struct.__name__]["properties"]
        for name, text in declarations.described(struct).items():
            keys[name]["description"] = text
    return {"$schema": _DIALECT, "title": "propulate-like configuration", **whole}


def schema_text() -> str:
    """Return the JSON Schema as text."""
    return json.dumps(schema(), indent=2)
