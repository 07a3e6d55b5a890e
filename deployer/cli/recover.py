"""``deployer recover``: what an interrupted controller left, finished or taken back."""

from __future__ import annotations

from deployer.cli.common import Common, Inventory, Yes


def recover(
    inventory: Inventory,
    *,
    yes: Yes = False,
    common: Common,
) -> None:
    """Finish or unwind what an interrupted deployment left.

    Every wave was confirmed: promoted. Else taken back. By the journal and the hosts, or the hosts alone.
    """
    from deployer.cli import setup
    from deployer.cli.commands import audience_of, end
    from deployer.cli.signals import Signals
    from deployer.cli.telling import telling
    from deployer.recover import Wishes
    from deployer.recover import recover as case

    setup.need_yes(yes, "recover")
    context = setup.load(inventory, common, emergency=True)
    with telling(context, "recover", common) as teller:
        with (
            Signals() as signals,
            setup.journal_of(context) as journal,
            audience_of(signals, common) as audience,
        ):
            result = case(context, Wishes(yes), journal, teller.beside(audience))
        teller.ended(result)
    end(result, inventory, "recover", common)
