"""The assembly of one rank's search: from what was specified to the parts that carry it out."""

from __future__ import annotations

from collections.abc import Callable
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
from propulate_like.search.agreement import agree, impatient
from propulate_like.search.islands.archipelago import Archipelago
from propulate_like.search.specification import SearchSpecification
from propulate_like.storage.journal_lines import Shape
from propulate_like.storage.run import ResumeSnapshot
from propulate_like.storage.run_folder import Place, RunFolder


class Assembly:
    """The parts of one rank's search, each made of the specification and of the parts before it.

    `world` reaches all ranks; `transport` reaches those that search, and is None on a rank that only evaluates with
    the leader of its `team`.
    """

    def __init__(self, read: Callable[[], SearchSpecification]) -> None:
        """Read the specification, connect to the other ranks, load the objective, and make the parts.

        All ranks must do so. What is wrong on one of them, all know before any of them begins.

        Args:
            read: Returns the specification.

        Raises:
            ValueError: The objective cannot be loaded, or the specification cannot work, or does not fit the objective,
                the number of ranks or the nodes.
            RanksDiffer: Ranks were asked for different searches, or some of them cannot begin.
        """
        specification, refusal = _tried(read)
        with impatient():
            self.world = connect()
            agree(self.world, specification, refusal)
        given = cast("SearchSpecification", specification)
        specification = _placed(given)
        loaded, refusal = _tried(lambda: self._load(specification))
        agree(self.world, loaded, refusal)
        self.space = self.specification.known_space
        self.shape = Shape(self.space, specification.rungs, specification.losses)
        self.codec = Codec(self.space)
        self.devices = self.equipment.devices
        self.transport: Transport | None = self.world
        self.team: Team | None = None
        team_size = specification.evaluation.ranks_per_worker
        if team_size > 1:
            self.transport, self.team = self._form_teams(team_size)
        self.archipelago = Archipelago(self.specification, self.world.size // team_size)
        self.optimizer = self.archipelago.optimizer(self.world.rank // team_size, specification.seed)
        self.run_folder = self._run_folder(given)

    def evaluator(self, seed: int, trials: str) -> Evaluator:
        """Return what evaluates on this rank, alone or in its team, with the folder `trials` for its files."""
        specification = self.specification
        rungs = () if specification.fidelity is None else specification.fidelity.rungs
        best = (lambda: self.optimizer.best) if self.space.asked_for else None
        tasks = Tasks(seed, trials, self.equipment.devices, rungs, self.archipelago.ranks, best)
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

    def _load(self, specification: SearchSpecification) -> SearchSpecification:
        """Load the objective on this rank, with its GPUs set, which must come before PyTorch.

        Raises:
            ValueError: It cannot be loaded or evaluated here.
        """
        self.equipment, problem = _equipped(specification.evaluation, self.world)
        if problem:
            raise ValueError(problem)
        self.specification = loaded = _loaded(specification)
        self.objective = Objective(
            loaded.objective, loaded.known_space, loaded.evaluation, signs=loaded.signs, fidelity=loaded.fidelity
        )
        problem = self.objective.problem_here()
        if problem:
            raise ValueError(problem)
        return loaded

    def _form_teams(self, size: int) -> tuple[Transport | None, Team]:
        """Form the teams; a member that was given GPUs of its own sees no others, so that they are its first ones."""
        transport, team = self.world.teams(size)
        shared = team.transport.gather(msgspec.json.encode(self.equipment.devices))
        self.devices = tuple(name for devices in shared for name in msgspec.json.decode(devices))
        shares = self.specification.evaluation.gpus is not None
        return transport, msgspec.structs.replace(team, local_rank=0) if shares else team

    def _run_folder(self, given: SearchSpecification) -> RunFolder:
        """Return the run's folder, which messages name as it was given."""
        run, fork = Place.of(self.specification.run, given.run), Place.of(self.specification.fork, given.fork)
        return RunFolder(
            run if fork is None else fork,
            None if fork is None else run,
            self.specification.declaration(),
            self.shape,
            job=rank_status.token,
            unsure=rank_status.unsure,
        )


def _tried(make: Callable[[], SearchSpecification]) -> tuple[SearchSpecification | None, BaseException | None]:
    """Return what is made, or the error by which that fails, which other ranks must know of first."""
    try:
        return make(), None
    except (Exception, SystemExit) as error:  # noqa: BLE001 (an import may raise anything)
        return None, error


def _placed(specification: SearchSpecification) -> SearchSpecification:
    """Return the search with absolute paths: importing the objective may change the working directory."""
    paths = {name: path for name in ("run", "fork") if (path := getattr(specification, name)) is not None}
    if all(path.is_absolute() for path in paths.values()):
        return specification
    return msgspec.structs.replace(specification, **{name: path.absolute() for name, path in paths.items()})


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
