<?php

declare(strict_types=1);

/** A chat (lib/models/lhchat/erlhcoreclassmodelchat.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelChat
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'nick hash referrer session_referrer chat_variables remarks ip email country_code country_name '
        . 'user_typing_txt phone additional_data user_tz_identifier lat lon city operation operation_admin status_sub_arg '
        . 'uagent chat_locale chat_locale_to';
    public const NUMBERS = 'status status_sub status_sub_sub time user_id dep_id invitation_id sender_user_id product_id '
        . 'pnd_time cls_time usaccept user_status user_closed_ts support_informed unread_messages_informed '
        . 'reinform_timeout last_op_msg_time has_unread_op_messages unread_op_messages_informed unanswered_chat cls_us '
        . 'anonymized user_typing gbot_id operator_typing operator_typing_id has_unread_messages last_user_msg_time fbst '
        . 'online_user_id auto_responder_id last_msg_id lsync transfer_uid mail_send screenshot_id wait_time chat_duration '
        . 'tslasign priority chat_initiator transfer_timeout_ts transfer_timeout_ac transfer_if_na na_cb_executed '
        . 'device_type nc_cb_executed iwh_id theme_id frt aart mart';

    public const STATUS_PENDING_CHAT = 0;
    public const STATUS_ACTIVE_CHAT = 1;
    public const STATUS_CLOSED_CHAT = 2;
    public const STATUS_CHATBOX_CHAT = 3;
    public const STATUS_OPERATORS_CHAT = 4;
    public const STATUS_BOT_CHAT = 5;
    public const CHAT_INITIATOR_DEFAULT = 0;
    public const CHAT_INITIATOR_PROACTIVE = 1;
    public const STATUS_SUB_DEFAULT = 0;
    public const STATUS_SUB_OWNER_CHANGED = 1;
    public const STATUS_SUB_CONTACT_FORM = 2;
    public const STATUS_SUB_USER_CLOSED_CHAT = 3;
    public const STATUS_SUB_SURVEY_SHOW = 5;
    public const STATUS_SUB_ON_HOLD = 8;
    public const STATUS_SUB_SURVEY_COMPLETED = 9;
    public const STATUS_SUB_SUB_DEFAULT = 0;
    public const STATUS_SUB_SUB_TRANSFERED = 1;
    public const STATUS_SUB_SUB_MSG_DELIVERED = 3;
    public const USER_STATUS_JOINED_CHAT = 0;
    public const USER_STATUS_CLOSED_CHAT = 1;
    public const USER_STATUS_PENDING_REOPEN = 2;
    public const OP_STATUS_ACCEPT_ONLINE = 0;
    public const OP_STATUS_ACCEPT_OFFLINE = 1;

    public static $dbTable = 'lh_chat';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';

    public function beforeRemove()
    {
        foreach (['lh_msg', 'lh_transfer'] as $table) {
            ezcDbInstance::get()->prepare("DELETE FROM {$table} WHERE chat_id = ?")->execute([$this->id]);
        }
    }

    /** Kept in the object once it was asked for, as in LHC: it does not follow a later change of the chat. */
    public function __get($var)
    {
        return match ($var) {
            'user' => $this->user = $this->user_id > 0 ? erLhcoreClassModelUser::fetch($this->user_id, true) : false,
            'user_name' => $this->user_name = (string) $this->user,
            'plain_user_name' => $this->plain_user_name = $this->user === false ? false : $this->user->name_support,
            'online_user' => $this->online_user = $this->online_user_id > 0 ? erLhcoreClassModelChatOnlineUser::fetch($this->online_user_id) : false,
            'department' => $this->department = $this->dep_id > 0 ? erLhcoreClassModelDepartament::fetch($this->dep_id, true) : false,
            'department_name' => $this->department_name = (string) $this->department,
            'auto_responder' => $this->auto_responder = false,
            // Away after a minute without a poll, or once the visitor ended the chat.
            'user_status_front' => $this->user_status_front = time() - 60 > $this->lsync || $this->status_sub === self::STATUS_SUB_USER_CLOSED_CHAT ? 1 : 0,
            'additional_data_array' => $this->additional_data_array = (array) json_decode($this->additional_data, true),
            'chat_variables_array' => $this->chat_variables_array = (array) json_decode($this->chat_variables, true),
            default => null,
        };
    }
}
