"""What one run may use up. A run that reaches a limit ends and says so; nothing is cut off in the middle."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from decimal import Decimal

from django.conf import settings

from chat.models import Run
from chat.running.ends import Ends


@dataclass
class Budget:
    """Of one run, while a worker has it: each time that it is taken up the clock begins anew, the rest is the run's."""

    began: float = field(default_factory=time.monotonic)

    def check(self, run: Run) -> None:
        """Raise `Ends` where another request to a model would be one too many."""
        used = time.monotonic() - self.began
        tokens = run.input_tokens + run.output_tokens
        if run.requests >= settings.RUN_MAX_REQUESTS:
            raise _reached("requests", f"{settings.RUN_MAX_REQUESTS} requests to the model were made")
        if tokens >= settings.RUN_MAX_TOKENS:
            raise _reached("tokens", f"{tokens:,} tokens were used, and {settings.RUN_MAX_TOKENS:,} may be")
        if run.cost_usd is not None and run.cost_usd >= Decimal(str(settings.RUN_MAX_COST_USD)):
            raise _reached("cost", f"it cost ${run.cost_usd:.2f}, and ${settings.RUN_MAX_COST_USD:.2f} may be spent on one run")
        if used >= settings.RUN_MAX_SECONDS:
            raise _reached("time", f"it took {settings.RUN_MAX_SECONDS / 60:g} minutes")

    def seconds_left(self) -> float:
        """Until the run has taken as long as it may."""
        return max(0.0, settings.RUN_MAX_SECONDS - (time.monotonic() - self.began))


def _reached(what: str, why: str) -> Ends:
    return Ends(f"budget_{what}", f"The run was ended, since {why}. What was done until then is kept: ask to go on where that is wanted.")
