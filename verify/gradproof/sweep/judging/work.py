"""The work on one shard: call the implementation on every pattern, judge every result, and tell what was found.

Formats of 32 bits go through Taylor models and the compiled loop; what those leave open, and all other formats, goes
to the oracle's references and the same ``judge`` that a run uses. The greatest errors are judged by it in any case.
"""

from __future__ import annotations

from typing import Any

from gradproof.errors import Unsupported
from gradproof.sweep.judging.enclosed import EnclosedShard
from gradproof.sweep.judging.on_device import DeviceShard
from gradproof.sweep.judging.shard_judge import ShardJudge
from gradproof.sweep.judging.subject import subject
from gradproof.sweep.plan import Shard


def work(shard: Shard) -> dict[str, Any]:
    """Judge every bit pattern of a shard; the answer is what ``shard_summary.merged`` puts together.

    Raises Unsupported, ImplementationFault and BackendUnavailable as the backend does, and OracleDisagreement.
    """
    shared = subject(shard.target)
    if shared.open_to:
        if shared.other is not None:
            raise Unsupported(f"results depend on {shared.open_to}: there are no two to compare")
        return EnclosedShard(shared, shard).run()
    if shared.on_device:
        return DeviceShard(shared, shard).run()
    return ShardJudge(shared, shard).run()
