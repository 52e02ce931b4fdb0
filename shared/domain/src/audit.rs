//! What is written down of who changed what that concerns the shop itself.

/// A change of the shop's settings, stock or partners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A partner was made.
    PartnerCreated,
    /// A partner's name, quota or alarm levels were changed.
    PartnerChanged,
    /// A partner's balance was credited, or corrected.
    BalanceCredited,
    /// An API key was made.
    KeyCreated,
    /// An API key was ended, at once or from a time on.
    KeyEnded,
    /// A plan's next version was put on sale.
    PlanPut,
    /// A pool's alarm level was set.
    AlarmLevelSet,
    /// An import of cards was begun.
    ImportBegun,
    /// A card's note, labels or rules were changed.
    SimEdited,
    /// A card was archived.
    SimArchived,
    /// An archived card was brought back.
    SimRestored,
}

wire_names!(Action {
    PartnerCreated => "partner_created",
    PartnerChanged => "partner_changed",
    BalanceCredited => "balance_credited",
    KeyCreated => "key_created",
    KeyEnded => "key_ended",
    PlanPut => "plan_put",
    AlarmLevelSet => "alarm_level_set",
    ImportBegun => "import_begun",
    SimEdited => "sim_edited",
    SimArchived => "sim_archived",
    SimRestored => "sim_restored",
});
