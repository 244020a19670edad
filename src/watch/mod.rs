//! Eye 4: what is touched. It never judges; it says which paths to look at again, and who touched them.
