"""The assembly of one rank's search: from what was specified to the parts that carry it out."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import msgspec

from propulate_like.evaluation import loading
from propulate_like.evaluation.context import Evaluator, Tasks
from propulate_like.evaluation.objective import Loss
from propulate_like.evaluation.pruning import PrunerState
from propulate_like.evaluation.settings import EvaluationSettings, Objective
from propulate_like.parallel import rank_status
from propulate_like.parallel.node_devices import Equipment, equip
from propulate_like.parallel.transport import Team, Transport, connect
from propulate_like.population.codec import Codec
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification, disagreement
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.run import ResumeSnapshot
from propulate_like.storage.run_folder import RunFolder


class _Ready(msgspec.Struct, frozen=True):
    """What every rank tells all before the search: what it was asked to search, and what is wrong on its node."""

    digest: dict[str, int]
    problem: str = ""


class Assembly:
    """The parts of one rank's search, each made of the specification and of the parts before it.

    `world` reaches all ranks; `transport` reaches those that search, and is None on a rank that only evaluates with
    the leader of its `team`.
    """

    def __init__(self, specification: SearchSpecification) -> None:
        """Connect to the other ranks, load the objective, and make the parts; all ranks must do so.

        Raises:
            ValueError: The objective cannot be loaded, or the specification does not fit it, the number of ranks or
                a rank's node, or differs between ranks.
        """
        self.world = connect()
        self.equipment, problem = _equipped(specification.evaluation, self.world)
        self.specification = _loaded(specification)  # with its GPUs set, which must come before PyTorch
        self.space = self.specification.known_space
        self.shape = Shape(self.space, specification.rungs, specification.losses)
        self.codec = Codec(self.space)
        self.objective = self._objective()
        self._agree(problem or self.objective.problem_here())
        self.devices = self.equipment.devices
        self.transport: Transport | None = self.world
        self.team: Team | None = None
        team_size = specification.evaluation.ranks_per_worker
        if team_size > 1:
            self.transport, self.team = self._form_teams(team_size)
        self.archipelago = Archipelago(self.specification, self.world.size // team_size)
        self.optimizer = self.archipelago.optimizer(self.world.rank // team_size, specification.seed)
        self.run_folder = self._run_folder()

    def evaluator(self, seed: int, trials: str) -> Evaluator:
        """Return what evaluates on this rank, alone or in its team, with the folder `trials` for its files."""
        specification = self.specification
        rungs = () if specification.fidelity is None else specification.fidelity.rungs
        tasks = Tasks(seed, trials, self.equipment.devices, rungs, self.archipelago.ranks)
        meter = self.equipment.meter(says=self.world.rank == 0) if specification.evaluation.energy else None
        return self.objective.evaluator(tasks, self.world.rank, meter)

    def pruner_state(self, snapshot: ResumeSnapshot) -> PrunerState | None:
        """Return the state of the pruner, with the curves that there were before; None where there is no pruner."""
        specification = self.specification
        if specification.pruner is None:
            return None
        pruner_state = PrunerState(specification.pruner, specification.rungs)
        for individual in snapshot.curves:
            pruner_state.add(individual)
        return pruner_state

    def restore(self, snapshot: ResumeSnapshot) -> None:
        """Go on where the run stood: its seed, this rank's count of individuals, and what it knew."""
        self.optimizer.seed = snapshot.seed
        self.optimizer.begin(snapshot.serials.get(self.optimizer.rank, 0), snapshot.summary.finished)
        for ident in snapshot.promoted:
            self.optimizer.promoted(ident)
        self.optimizer.add_seen(snapshot.seen)
        self.archipelago.settle(self.optimizer, snapshot)

    def _objective(self) -> Objective:
        specification = self.specification
        return Objective(
            specification.objective,
            self.space,
            specification.evaluation,
            signs=specification.signs,
            fidelity=specification.fidelity,
        )

    def _agree(self, problem: str) -> None:
        """End the search on all ranks where there is a problem on the node of one, or one was asked for another."""
        ready = msgspec.json.encode(_Ready(self.specification.digest(), problem))
        everyone = [msgspec.json.decode(words, type=_Ready) for words in self.world.gather(ready)]
        problem = next((each.problem for each in everyone if each.problem), "")
        problem = problem or disagreement([each.digest for each in everyone])
        if problem:
            self.world.close(1.0)
            raise ValueError(problem)

    def _form_teams(self, size: int) -> tuple[Transport | None, Team]:
        """Form the teams; a member that was given GPUs of its own sees no others, so that they are its first ones."""
        transport, team = self.world.teams(size)
        shared = team.transport.gather(msgspec.json.encode(self.equipment.devices))
        self.devices = tuple(name for devices in shared for name in msgspec.json.decode(devices))
        shares = self.specification.evaluation.gpus is not None
        return transport, msgspec.structs.replace(team, local_rank=0) if shares else team

    def _run_folder(self) -> RunFolder:
        run, fork = self.specification.run, self.specification.fork
        return RunFolder(
            run if fork is None else fork,
            None if fork is None else run,
            self.specification.declaration(),
            self.shape,
            job=rank_status.token,
            unsure=rank_status.unsure,
        )


def _equipped(settings: EvaluationSettings, world: Transport) -> tuple[Equipment, str]:
    """Return this rank's GPUs and sensors, where the settings ask for any, and what is wrong with them."""
    if settings.gpus is None and not settings.energy:
        return Equipment(), ""
    try:
        return equip(settings.shared_gpus(), world), ""
    except ValueError as error:
        return Equipment(), str(error)


def _loaded(specification: SearchSpecification) -> SearchSpecification:
    """Return the specification of the objective itself, unless only child processes are to import it."""
    objective = specification.objective
    if isinstance(objective, str) and not (specification.evaluation.isolated and specification.space is not None):
        objective = cast("Loss", loading.load(objective, Path()))
    return specification.loaded(objective)
