"""Photos added to or removed from a finished texture: a run's state, kept on disk, and what changes it."""

from neuraltexgen.update.run import UpdateSettings, update_run
from neuraltexgen.update.state import check_job, keep_state

__all__ = ["UpdateSettings", "check_job", "keep_state", "update_run"]
