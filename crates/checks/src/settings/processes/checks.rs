//! The table of `processes.*` checks.

use crate::settings::table::checks;
use agent_core::finding::Form;

checks! { "processes":
    DELETED_PROGRAM "deleted_program" High Form::Nothing; "What runs is what is on disk"; "no process runs a program or library that is gone from disk or was replaced there"; "until a service is started anew it runs the old code, faults included; and what runs from memory, or from a file that was removed, leaves nothing to be looked at"; None; []
}
