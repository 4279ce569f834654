"""Migration history: the islands on which individuals live, as the journals record their migrations."""

from __future__ import annotations

from collections.abc import Iterable

from propulate_like.population.individual import Id
from propulate_like.storage.events import Moved


class MigrationHistory:
    """The islands on which individuals live: the one that bred them, unless they or their copies migrated.

    A run may continue with another number of islands. With fewer, the individuals of island i live on island i modulo
    the number of islands; with more, each lives on its own island again.
    """

    def __init__(self, migrations: Iterable[tuple[int, Moved]]) -> None:
        """Read the migrations, each as (islands, event) with the number of islands then (0: not known)."""
        self._moved: dict[Id, Moved] = {}
        self._copied: dict[Id, set[int]] = {}
        self._replaced: dict[Id, set[tuple[int, int]]] = {}
        for islands, event in migrations:
            if event.replaced:
                self._replaced.setdefault(event.id, set()).add((event.island, islands))
            elif event.copied:
                self._copied.setdefault(event.id, set()).add(event.island)
            elif event.id not in self._moved or self._moved[event.id].moves < event.moves:
                self._moved[event.id] = event

    def islands(self, ident: Id) -> set[int]:
        """Return the islands on which an individual, or a copy of it, lives."""
        moved = self._moved.get(ident)
        home = ident.island if moved is None else moved.island
        if not self._copied and not self._replaced:
            return {home}
        living, replaced = {home, *self._copied.get(ident, ())}, self._replaced.get(ident, ())
        return {one for one in living if all((one % islands if islands else one) != at for at, islands in replaced)}

    def moves(self, ident: Id) -> int:
        """Return the number of an individual's migrations."""
        moved = self._moved.get(ident)
        return 0 if moved is None else moved.moves
