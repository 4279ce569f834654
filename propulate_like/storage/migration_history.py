"""Migration history: on which islands individuals live, by what the journals tell of their migrations."""

from __future__ import annotations

from collections.abc import Iterable

from propulate_like.population.individual import Id
from propulate_like.storage.events import Moved


class MigrationHistory:
    """Where individuals live: on the island where they were born, unless they moved, or copies of them did.

    A run may go on with other islands: of fewer, those of a vanished one live on the one whose number is theirs modulo
    the number of islands; with more, they live on their own again.
    """

    def __init__(self, migrations: Iterable[tuple[int, Moved]]) -> None:
        """`migrations` come with the number of islands that there were (0: not known)."""
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
        """Return how often an individual has moved."""
        moved = self._moved.get(ident)
        return 0 if moved is None else moved.moves
