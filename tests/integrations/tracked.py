"""What trackers hold of a search, read back by their own means, in processes of their own."""

import json
import math
import subprocess
import sys
import urllib.request

TENSORBOARD = """
    import json, sys
    from pathlib import Path
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata, api_pb2
    found = []
    for folder in Path(sys.argv[1]).glob("*/*-*-*"):
        events = EventAccumulator(str(folder))
        events.Reload()
        about = events.PluginTagToContent("hparams")
        start = metadata.parse_session_start_info_plugin_data(about[metadata.SESSION_START_INFO_TAG])
        end = metadata.parse_session_end_info_plugin_data(about[metadata.SESSION_END_INFO_TAG])
        scalars = {tag: [(one.step, one.value) for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
        values = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}
        texts = {tag: events.Tensors(tag)[0].tensor_proto.string_val for tag in events.Tags()["tensors"]}
        found.append({
            "id": start.group_name, "params": values,
            "numbers": {tag: points[-1][1] for tag, points in scalars.items()},
            "curve": scalars.get("intermediate", []), "succeeded": end.status == api_pb2.STATUS_SUCCESS,
            "texts": {tag: text[0].decode() for tag, text in texts.items() if text},
        })
    print(json.dumps(found))
"""
# An offline file is a log as LevelDB has it, of blocks of 32 KiB, whose records are messages of the library's protocol.
WANDB = """
    import json, struct, sys
    from pathlib import Path
    from wandb.proto.wandb_internal_pb2 import Record

    def messages(content):
        place, whole = 7, b""
        while place + 7 <= len(content):
            room = 32768 - place % 32768
            if room < 7:
                place += room
                continue
            _, size, kind = struct.unpack("<IHB", content[place : place + 7])
            whole += content[place + 7 : place + 7 + size]
            place += 7 + size
            if kind in (1, 4):
                yield Record.FromString(whole)
                whole = b""

    def items(update):
        return {".".join([item.key] if item.key else item.nested_key): json.loads(item.value_json) for item in update}

    found = []
    for path in Path(sys.argv[1]).glob("wandb/offline-run-*/*.wandb"):
        one = {"numbers": {}, "curve": [], "params": {}}
        for message in messages(path.read_bytes()):
            kind = message.WhichOneof("record_type")
            if kind == "run":
                one |= {"id": message.run.display_name, "group": message.run.run_group, "run": message.run.run_id}
                one["params"] |= items(message.run.config.update)
            elif kind == "config":
                one["params"] |= items(message.config.update)
            elif kind == "summary":
                one["numbers"] |= items(message.summary.update)
            elif kind == "history":
                row = items(message.history.item)
                one["curve"].append((message.history.step.num, row["intermediate"]))
            elif kind == "exit":
                one["succeeded"] = message.exit.exit_code == 0
        one["params"].pop("_wandb", None)
        found.append(one)
    print(json.dumps(found))
"""


def in_tensorboard(folder, script):
    return _printed(script(TENSORBOARD, "read_tensorboard.py"), folder)


def in_wandb(folder, script):
    found = _printed(script(WANDB, "read_wandb.py"), folder)
    assert len({one["group"] for one in found}) <= 1
    return found


def _printed(path, folder):
    return json.loads(subprocess.run([sys.executable, path, folder], check=True, capture_output=True, text=True).stdout)


class MLflowServer:
    """A server's REST interface."""

    def __init__(self, uri):
        self.uri = uri

    def post(self, what, **content):
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/mlflow/{what}",
            json.dumps(content).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def get(self, what):
        with urllib.request.urlopen(f"{self.uri}/api/2.0/mlflow/{what}", timeout=60) as answer:
            return json.load(answer)

    def runs(self, experiment):
        """Return the parent runs of an experiment, and its nested runs, as the server has them."""
        number = self.get(f"experiments/get-by-name?experiment_name={experiment}")["experiment"]["experiment_id"]
        found = self.post("runs/search", experiment_ids=[number], max_results=1000)["runs"]
        tags = [{tag["key"]: tag["value"] for tag in run["data"].get("tags", [])} for run in found]
        parents = [run for run, own in zip(found, tags) if "mlflow.parentRunId" not in own]
        nested = [(run, own) for run, own in zip(found, tags) if "mlflow.parentRunId" in own]
        assert {own["mlflow.parentRunId"] for _, own in nested} <= {run["info"]["run_id"] for run in parents}
        return parents, nested

    def evaluations(self, experiment):
        return [self._evaluation(run, tags) for run, tags in self.runs(experiment)[1]]

    def _evaluation(self, run, tags):
        history = f"metrics/get-history?run_id={run['info']['run_id']}&metric_key=intermediate"
        numbers = {one["key"]: one["value"] for one in run["data"].get("metrics", [])}
        curve = self.get(history).get("metrics", []) if "intermediate" in numbers else []
        return {
            "id": run["info"]["run_name"],
            "params": {one["key"]: one["value"] for one in run["data"].get("params", [])},
            "numbers": numbers,
            "curve": sorted((int(one.get("step", 0)), one["value"]) for one in curve),
            "succeeded": run["info"]["status"] == "FINISHED",
            "texts": tags,
        }


def best_of(found):
    return min(one["numbers"].get("value", math.inf) for one in found)
