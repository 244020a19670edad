//! What whoever started the process wants done about signals.

/// Whether the signal of that number is ignored, as proc_pid_status(5) says (`SigIgn`). False where that cannot be read.
///
/// A shell starts what runs in the background with SIGINT ignored, so that an interrupt meant for the foreground does
/// not end it (POSIX, Shell Command Language, 2.12), and nohup(1) does so with SIGHUP. Who listens to such a signal
/// all the same undoes that.
pub fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    in_status(&status, signal)
}

fn in_status(status: &str, signal: i32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u128::from_str_radix(mask.trim(), 16).ok());
    let bit = u32::try_from(signal).ok().and_then(|n| n.checked_sub(1));
    let bit = bit.and_then(|bit| 1_u128.checked_shl(bit));
    mask.zip(bit).is_some_and(|(mask, bit)| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_read_bit_by_bit() {
        let status = "Name:\tx\nSigBlk:\tffffffffffffffff\nSigIgn:\t0000000000001003\nSigCgt:\t0\n";
        let ignored: Vec<i32> = (-1..130).filter(|n| in_status(status, *n)).collect();
        assert_eq!(ignored, [1, 2, 13]);
        for status in ["", "SigIgn:", "SigIgn:\tx", "SigCgt:\tff"] {
            assert!(!in_status(status, 2), "{status}");
        }
    }
}
