<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Test\Site;

/**
 * LHC's requests of visitors and operators, on the double: each changes the models and fires the events in LHC's order,
 * with LHC's transactions around them. It takes and answers JSON. `kill` in a request ends the worker with SIGKILL where
 * LHC's own would be killed: `in-transaction`, or `after-commit`, before the event that LHC announces afterwards.
 */
final class Front
{
    /** @param array<string, mixed> $request */
    private function __construct(private readonly array $request)
    {
    }

    public static function serve(): void
    {
        $path = (string) parse_url((string) $_SERVER['REQUEST_URI'], PHP_URL_PATH);
        if ($path === '/xmppchat/callback') {
            require dirname(__DIR__, 2) . '/xmppchat/modules/lhxmppchat/callback.php';
            return;
        }
        $front = new self((array) json_decode((string) file_get_contents('php://input'), true));
        $answer = match ($path) {
            '/view' => $front->view(),
            '/start' => $front->start(),
            '/write' => $front->write(),
            '/end' => $front->end(),
            '/operator/write' => $front->operatorWrites(),
            '/operator/accept' => $front->operatorAccepts(),
            '/operator/close' => $front->operatorCloses(),
            '/operator/make' => $front->makeOperator(),
            default => null,
        };
        if ($answer === null) {
            http_response_code(404);
            return;
        }
        // As LHC: the answer goes out, and the event that is announced afterwards is fired.
        echo json_encode($answer[0], JSON_THROW_ON_ERROR);
        flush();
        [, $announce] = $answer;
        $announce === null || $announce();
    }

    /** widgetrestapi/settings: a page view. The visitor's row is saved, and then the event is fired, without a transaction. @return array{array<string, mixed>, ?\Closure} */
    private function view(): array
    {
        $vid = (string) $this->request['vid'];
        $visitor = \erLhcoreClassModelChatOnlineUser::findOne(['filter' => ['vid' => $vid]]);
        $isNew = $visitor === false;
        if ($isNew) {
            $visitor = new \erLhcoreClassModelChatOnlineUser();
            $visitor->vid = $vid;
            $visitor->first_visit = time();
            $visitor->total_visits = 1;
            $visitor->user_country_name = 'Latvia';
            $visitor->visitor_tz = 'Europe/Riga';
            $visitor->dep_id = (int) ($this->request['department'] ?? 0);
        }
        $visitor->current_page = (string) $this->request['page'];
        $visitor->page_title = (string) ($this->request['title'] ?? '');
        $visitor->last_visit = $visitor->last_check_time = time();
        $visitor->pages_count = $visitor->pages_count + 1;
        $visitor->saveThis();
        $this->die('after-commit');
        $this->fire($isNew ? 'onlineuser.created' : 'onlineuser.pageview_logged', ['ou' => &$visitor, 'tpl' => false]);
        return [['id' => $visitor->id, 'invitation' => $visitor->has_message_from_operator ? $visitor->operator_message : null], null];
    }

    /** widgetrestapi/submitonline. `invited`: the visitor answers an invitation, whose words become the chat's first row. @return array{array<string, mixed>, ?\Closure} */
    private function start(): array
    {
        $db = \ezcDbInstance::get();
        $db->beginTransaction();
        $visitor = \erLhcoreClassModelChatOnlineUser::findOne(['filter' => ['vid' => $this->request['vid']]]);
        $chat = new \erLhcoreClassModelChat();
        $chat->nick = 'Visitor';
        $chat->hash = \erLhcoreClassChat::generateHash();
        $chat->time = $chat->pnd_time = $chat->lsync = time();
        $chat->dep_id = (int) ($this->request['department'] ?? 0);
        $chat->online_user_id = $visitor->id;
        $isInvited = $visitor->operator_message !== '' && $visitor->message_seen == 0;
        if ($isInvited) {
            $chat->chat_initiator = \erLhcoreClassModelChat::CHAT_INITIATOR_PROACTIVE;
            $chat->user_id = ($visitor->online_attr_system_array['lhc_assign_to_me'] ?? 0) == 1 ? $visitor->operator_user_id : 0;
        }
        $chat->saveThis();
        $first = $isInvited ? $this->row($chat, $visitor->operator_message, (int) $visitor->operator_user_id) : null;
        if ($first !== null) {
            $this->fire('chat.process_invitation_ou', ['ou' => &$visitor, 'msg' => &$first, 'chat' => &$chat]);
            $visitor->message_seen = 1;
            $visitor->message_seen_ts = time();
        }
        $msg = $this->row($chat, (string) $this->request['text'], 0);
        $chat->last_msg_id = $msg->id;
        $chat->last_user_msg_time = time();
        $chat->saveThis();
        $visitor->chat_id = $chat->id;
        $visitor->saveThis();
        $this->fire('chat.genericbot_set_bot', ['chat' => &$chat, 'params' => []]);
        $this->die('in-transaction');
        $db->commit();
        $this->die('after-commit');
        return [
            ['id' => $chat->id, 'messageId' => $msg->id],
            fn () => $this->fire('chat.chat_started', ['request_payload' => [], 'chat' => &$chat, 'msg' => $msg]),
        ];
    }

    /** widgetrestapi/addmsguser. @return array{array<string, mixed>, ?\Closure} */
    private function write(): array
    {
        $db = \ezcDbInstance::get();
        $db->beginTransaction();
        $chat = \erLhcoreClassModelChat::fetchAndLock((int) $this->request['chat']);
        $valid = [0, 1, 5];
        $this->fire('chat.validstatus_chat', ['chat' => &$chat, 'valid_statuses' => &$valid]);
        if (!in_array($chat->status, $valid, true) || $chat->status_sub == \erLhcoreClassModelChat::STATUS_SUB_USER_CLOSED_CHAT) {
            $db->rollback();
            return [['error' => true], null];
        }
        $msg = new \erLhcoreClassModelmsg();
        $msg->msg = trim((string) $this->request['text']);
        $msg->chat_id = $chat->id;
        $msg->time = time();
        $msg->del_st = \erLhcoreClassModelmsg::STATUS_SENT;
        $this->fire('chat.before_msg_user_saved', ['msg' => &$msg, 'chat' => &$chat]);
        \erLhcoreClassChat::getSession()->save($msg);
        $chat->last_user_msg_time = $chat->lsync = time();
        $chat->last_msg_id = $msg->id;
        $chat->has_unread_messages = 1;
        $chat->updateThis(['update' => ['last_user_msg_time', 'lsync', 'last_msg_id', 'has_unread_messages']]);
        $this->die('in-transaction');
        $db->commit();
        $this->die('after-commit');
        return [['messageId' => $msg->id], fn () => $this->fire('chat.addmsguser', ['chat' => &$chat, 'msg' => &$msg])];
    }

    /** chat/chatwidgetclosed with `eclose`: the visitor ends the chat for good. Its status stays. @return array{array<string, mixed>, ?\Closure} */
    private function end(): array
    {
        $db = \ezcDbInstance::get();
        $db->beginTransaction();
        $chat = \erLhcoreClassModelChat::fetchAndLock((int) $this->request['chat']);
        $msg = $this->row($chat, 'Visitor has closed the chat explicitly!', -1);
        $chat->last_msg_id = $msg->id;
        $chat->user_status = \erLhcoreClassModelChat::USER_STATUS_CLOSED_CHAT;
        $chat->status_sub = \erLhcoreClassModelChat::STATUS_SUB_USER_CLOSED_CHAT;
        $chat->updateThis();
        $this->fire('chat.explicitly_closed', ['chat' => &$chat, 'msg' => &$msg]);
        $db->commit();
        return [[], null];
    }

    /** chat/addmsgadmin: an operator in LHC's own page. One who writes first has a pending chat. @return array{array<string, mixed>, ?\Closure} */
    private function operatorWrites(): array
    {
        $db = \ezcDbInstance::get();
        $db->beginTransaction();
        $chat = \erLhcoreClassModelChat::fetchAndLock((int) $this->request['chat']);
        $user = \erLhcoreClassModelUser::fetch((int) $this->request['user']);
        $msg = $this->row($chat, (string) $this->request['text'], (int) $user->id, $user->name_support, 'chat.before_msg_admin_saved');
        if ($chat->status == \erLhcoreClassModelChat::STATUS_PENDING_CHAT) {
            $line = $this->row($chat, "{$user->name_support} has accepted the pending chat by sending a message!", -1, $user->name_support, 'chat.before_msg_admin_saved');
            $chat->last_msg_id = $line->id;
            $chat->status = \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT;
            $chat->user_id = $user->id;
        }
        $chat->last_msg_id = max($chat->last_msg_id, $msg->id);
        $chat->last_op_msg_time = time();
        $chat->updateThis(['update' => ['last_msg_id', 'last_op_msg_time', 'status', 'user_id']]);
        $visitor = null;
        $this->fire('chat.web_add_msg_admin', ['msg' => &$msg, 'chat' => &$chat, 'ou' => &$visitor]);
        $this->die('in-transaction');
        $db->commit();
        return [['messageId' => $msg->id], null];
    }

    /** chat/adminchat: an operator opens a pending chat in LHC's own page. @return array{array<string, mixed>, ?\Closure} */
    private function operatorAccepts(): array
    {
        $db = \ezcDbInstance::get();
        $db->beginTransaction();
        $chat = \erLhcoreClassModelChat::fetchAndLock((int) $this->request['chat']);
        $before = $chat->getState();
        $chat->status = \erLhcoreClassModelChat::STATUS_ACTIVE_CHAT;
        $chat->status_sub = \erLhcoreClassModelChat::STATUS_SUB_OWNER_CHANGED;
        $chat->user_id = (int) $this->request['user'];
        $user = \erLhcoreClassModelUser::fetch($chat->user_id);
        $this->row($chat, "{$user->name_support} has accepted the chat!", -1, '', 'chat.before_msg_admin_saved');
        $chat->updateThis();
        $session = \erLhcoreClassUser::instance();
        $this->fire('chat.data_changed', ['chat' => &$chat, 'user' => $session, 'previous_attributes' => $before, 'initiator' => 'user']);
        $this->fire('chat.accept', ['chat' => &$chat, 'user' => $session]);
        $db->commit();
        $this->fire('chat.chat_accepted', ['chat' => &$chat]);
        return [[], null];
    }

    /** chat/closechatadmin. @return array{array<string, mixed>, ?\Closure} */
    private function operatorCloses(): array
    {
        $db = \ezcDbInstance::get();
        $db->beginTransaction();
        $chat = \erLhcoreClassModelChat::fetchAndLock((int) $this->request['chat']);
        \erLhcoreClassChatHelper::closeChat(['chat' => $chat, 'user' => \erLhcoreClassModelUser::fetch((int) $this->request['user'])]);
        $this->die('in-transaction');
        $db->commit();
        return [[], null];
    }

    /** The administrator makes an operator, and their department if there is none of that name. @return array{array<string, mixed>, ?\Closure} */
    private function makeOperator(): array
    {
        $department = \erLhcoreClassModelDepartament::findOne(['filter' => ['name' => $this->request['department']]]);
        if ($department === false) {
            $department = new \erLhcoreClassModelDepartament();
            $department->name = (string) $this->request['department'];
            $department->saveThis();
        }
        $user = new \erLhcoreClassModelUser();
        $user->username = (string) $this->request['username'];
        $user->name = ucfirst($user->username);
        $user->saveThis();
        $place = new \erLhcoreClassModelUserDep();
        $place->user_id = $user->id;
        $place->dep_id = $department->id;
        $place->saveThis();
        return [['id' => $user->id, 'department' => $department->id], null];
    }

    private function row(\erLhcoreClassModelChat $chat, string $text, int $userId, string $name = '', string $event = ''): \erLhcoreClassModelmsg
    {
        $msg = new \erLhcoreClassModelmsg();
        $msg->msg = $text;
        $msg->chat_id = $chat->id;
        $msg->user_id = $userId;
        $msg->name_support = $name;
        $msg->time = time();
        $msg->del_st = \erLhcoreClassModelmsg::STATUS_SENT;
        $event === '' || $this->fire($event, ['msg' => &$msg, 'chat' => &$chat, 'user_id' => $userId]);
        \erLhcoreClassChat::getSession()->save($msg);
        return $msg;
    }

    /** @param array<string, mixed> $arguments */
    private function fire(string $event, array $arguments): void
    {
        \erLhcoreClassChatEventDispatcher::getInstance()->dispatch($event, $arguments);
    }

    private function die(string $place): void
    {
        if (($this->request['kill'] ?? '') === $place) {
            posix_kill(getmypid(), SIGKILL);
        }
    }
}
