//! `agent run`: starts the eyes, owns the channel, ticks, stops on a signal.
