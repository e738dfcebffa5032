<?php

declare(strict_types=1);

/** A department, spelt as LHC does (lib/models/lhdepartament/erlhcoreclassmodeldepartament.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelDepartament
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'name email identifier';
    public const NUMBERS = 'priority sort_priority archive disabled hidden visible_if_online inform_close '
        . 'online_hours_active active_chats_counter pending_chats_counter bot_chats_counter inform_close_all '
        . 'ignore_op_status dep_offline';

    public static $dbTable = 'lh_departament';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'ASC';

    /** The double's own: LHC reads it from other columns. Departments here inform nobody. */
    public $inform_options_array = [];
    /** The double's own, as above. They hand no chats on. */
    public $department_transfer = false;

    public function __toString()
    {
        return $this->name;
    }
}
