//! What must survive: the ledger, the head of the chain and the spool, in one embedded database.
