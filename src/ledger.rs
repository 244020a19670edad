//! Findings in, what is worth telling out: raised, changed, cleared. Pure; the time is passed in.
