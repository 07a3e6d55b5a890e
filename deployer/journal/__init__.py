"""The journal: what was asked, what was about to be done, and how it ended, kept in a database.

An event is durable before the effect it announces begins. The database is opened by the writer's thread, so
that a command in a hurry can talk to its hosts meanwhile; SQLAlchemy is imported only for a server, or to
change a schema.
"""

from deployer.journal.fallback import BestEffortStore, NullStore
from deployer.journal.ids import new_deployment_id, who
from deployer.journal.store import Journal, Store

__all__ = ["BestEffortStore", "Journal", "NullStore", "Store", "new_deployment_id", "who"]
