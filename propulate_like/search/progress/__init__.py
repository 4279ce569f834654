"""Progress: where a search stands, and how that is shown: as a bar or as lines."""

from propulate_like.search.progress.progress import Progress, duration
from propulate_like.search.progress.standing import Standing, Watch, Watched, leave

__all__ = ["Progress", "Standing", "Watch", "Watched", "duration", "leave"]
