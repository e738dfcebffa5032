<?php

declare(strict_types=1);

/**
 * LHC's own commands, as an operator writes them (lib/core/lhchat/lhchatcommand.php): some of each kind. An answer has
 * `process_status` (a row of the chat says it) or `info`; `ignore` means that no row is written.
 */
final class erLhcoreClassChatCommand
{
    private const COMMANDS = ['!name', '!goto', '!block', '!close', '!closed', '!remark', '!hold', '!delete', '!info', '!help', '!note'];

    /** @param array{user: erLhcoreClassModelUser, msg: string, chat: erLhcoreClassModelChat, no_ui_update?: bool} $params */
    public static function processCommand($params)
    {
        [$command, $argument] = explode(' ', $params['msg'], 2) + [1 => ''];
        $chat = $params['chat'];
        $answer = match ($command) {
            '!help' => ['ignore' => true, 'process_status' => '', 'info' => implode("\n", self::COMMANDS)],
            '!info' => ['ignore' => true, 'process_status' => '', 'info' => 'Department - ' . $chat->department],
            '!note' => ['ignore' => false, 'process_status' => '', 'raw_message' => trim($argument)],
            '!name' => self::changed($chat, 'nick', trim($argument), 'Nick was updated!'),
            '!remark' => self::changed($chat, 'remarks', trim($argument), 'Remarks were saved!'),
            '!goto' => self::changed($chat, 'operation', 'lhc_chat_redirect:' . trim($argument), 'User was redirected!'),
            '!close' => self::close($params),
            '!closed' => ['process_status' => 'Chat was closed!'],
            '!hold' => self::hold($params, trim($argument)),
            '!delete' => self::delete($params),
            '!block' => self::block($params),
            default => ['ignore' => true, 'process_status' => '', 'info' => "Unknown command! [{$command}]"],
        };
        return ['processed' => true] + $answer;
    }

    /** @return array{process_status: string} */
    private static function changed(erLhcoreClassModelChat $chat, string $column, string $value, string $said): array
    {
        $chat->$column = $value;
        $chat->updateThis(['update' => [$column]]);
        return ['process_status' => $said];
    }

    /** LHC asks for the rights of the session. @return array{process_status: string} */
    private static function block(array $params): array
    {
        if (!erLhcoreClassUser::instance()->hasAccessTo('lhchat', 'allowblockusers')) {
            return ['process_status' => 'You do not have permission to block user!'];
        }
        erLhcoreClassModelChatBlockedUser::blockChat(['user' => $params['user'], 'chat' => $params['chat']]);
        return ['process_status' => 'User was blocked!'];
    }

    /** The text goes to the visitor, in the operator's name. @return array{process_status: string, raw_message: string} */
    private static function hold(array $params, string $text): array
    {
        $chat = $params['chat'];
        $chat->status_sub = erLhcoreClassModelChat::STATUS_SUB_ON_HOLD;
        $chat->updateThis(['update' => ['status_sub']]);
        if ($text !== '') {
            $msg = new erLhcoreClassModelmsg();
            $msg->msg = $text;
            $msg->chat_id = $chat->id;
            $msg->user_id = $params['user']->id;
            $msg->name_support = $params['user']->name_support;
            $msg->time = time();
            $msg->saveThis();
        }
        return ['process_status' => 'Chat status changed on-hold!', 'raw_message' => '!hold'];
    }

    /** @return array{process_status: string} */
    private static function delete(array $params): array
    {
        if (!erLhcoreClassRole::hasAccessTo($params['user']->id, 'lhchat', 'deletechat')) {
            return ['process_status' => 'You do not have permission to delete a chat!'];
        }
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.delete', ['chat' => &$params['chat'], 'user' => $params['user']]);
        $params['chat']->removeThis();
        return ['process_status' => 'Chat was deleted!'];
    }

    /** @return array{process_status: string} */
    private static function close(array $params): array
    {
        $chat = $params['chat'];
        if (!isset($params['no_ui_update'])) {
            // Only a script for the operator's page; the chat itself stays open.
            $chat->operation_admin .= 'lhinst.closeActiveChatDialog';
            $chat->updateThis(['update' => ['operation_admin']]);
            return ['process_status' => 'Chat was closed!'];
        }
        if ($chat->user_id != $params['user']->id) {
            return ['process_status' => 'You do not have permission to close a chat!'];
        }
        erLhcoreClassChatHelper::closeChat($params);
        return ['process_status' => 'Chat was closed!'];
    }
}
