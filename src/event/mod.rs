//! What leaves the machine: OCSF objects, and the chain that binds each to the one before it.
