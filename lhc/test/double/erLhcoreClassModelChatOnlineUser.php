<?php

declare(strict_types=1);

/** A visitor of the site (lib/models/lhchat/erlhcoreclassmodelchatonlineuser.php). */
#[AllowDynamicProperties]
final class erLhcoreClassModelChatOnlineUser
{
    use erLhcoreClassDBTrait;

    public const TEXTS = 'vid ip current_page page_title referrer user_agent notes user_country_code user_country_name '
        . 'visitor_tz operator_message operator_user_proactive lat lon city identifier operation online_attr_system '
        . 'operation_chat online_attr';
    public const NUMBERS = 'chat_id invitation_seen_count invitation_id last_visit first_visit total_visits pages_count '
        . 'tt_pages_count invitation_count last_check_time dep_id operator_user_id conversion_id message_seen '
        . 'message_seen_ts user_active reopen_chat time_on_site tt_time_on_site requires_email requires_username '
        . 'requires_phone screenshot_id device_type chat_time last_visit_prev';

    public static $dbTable = 'lh_chat_online_user';
    public static $dbTableId = 'id';
    public static $dbSortOrder = 'DESC';

    public function afterSave($params = [])
    {
        $this->dispatch('chat.online_user.after_save');
    }

    public function afterUpdate($params = [])
    {
        $this->dispatch('chat.online_user.after_update');
    }

    public function afterRemove()
    {
        $this->dispatch('chat.online_user.after_remove');
    }

    public function __get($var)
    {
        return match ($var) {
            'nick' => $this->nick = $this->nickOf(),
            'chat' => $this->chat = $this->chat_id > 0 ? erLhcoreClassModelChat::fetch($this->chat_id) : false,
            'department' => $this->department = $this->dep_id > 0 ? erLhcoreClassModelDepartament::fetch($this->dep_id, true) : false,
            'operator_user' => $this->operator_user = $this->operator_user_id > 0 ? erLhcoreClassModelUser::fetch($this->operator_user_id) : false,
            'online_attr_system_array' => $this->online_attr_system_array = (array) json_decode($this->online_attr_system, true),
            'online_attr_array' => $this->online_attr_array = (array) json_decode($this->online_attr, true),
            'has_message_from_operator' => $this->message_seen == 0 && $this->operator_message !== '',
            default => null,
        };
    }

    private function nickOf(): string
    {
        $given = $this->online_attr_system_array['username'] ?? $this->online_attr_array['username'] ?? '';
        if ($given !== '') {
            return (string) $given;
        }
        return $this->chat instanceof erLhcoreClassModelChat && $this->chat->nick !== 'Visitor' ? $this->chat->nick : 'V' . $this->id;
    }

    private function dispatch(string $event): void
    {
        $self = $this;
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch($event, ['online_user' => &$self]);
    }
}
