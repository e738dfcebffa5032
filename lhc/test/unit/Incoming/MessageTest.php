<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;

/** `chat.message`: what an operator says reaches the visitor once, as from LHC's own page. */
final class MessageTest extends CallbackTestCase
{
    public function testAMessageIsARowOfTheOperatorThatTheVisitorGets(): void
    {
        $this->set(['status' => 1, 'user_id' => $this->olga->id, 'wait_time' => 5]);
        self::assertSame(['outcome' => 'accepted'], $this->says(" Yes, in 38 👟\n")->body);
        $row = $this->database->row('SELECT * FROM lh_msg ORDER BY id DESC LIMIT 1');
        self::assertSame('Yes, in 38 👟', $row['msg']);
        self::assertSame([(int) $this->olga->id, 1, 'Olga'], [(int) $row['user_id'], (int) $row['del_st'], $row['name_support']]);
        self::assertSame(['content' => ['xmppchat' => ['id' => 'm1']]], json_decode($row['meta_msg'], true));
        $chat = $this->chatRow();
        self::assertSame([(int) $row['id'], 1, 1], [(int) $chat['last_msg_id'], (int) $chat['has_unread_op_messages'], (int) $chat['status']]);
        self::assertSame((int) $row['id'], (int) $this->database->value("SELECT msg_id FROM lhc_xmppchat_message WHERE xmpp_id = 'm1'"));
    }

    public function testTheFirstMessageAcceptsAChatThatWaits(): void
    {
        $events = $this->events(['chat.accept', 'chat.chat_accepted', 'chat.data_changed', 'chat.web_add_msg_admin'], fn () => $this->says('Hello'));
        self::assertSame(['chat.data_changed', 'chat.accept', 'chat.chat_accepted', 'chat.web_add_msg_admin'], $events);
        $chat = $this->chatRow();
        self::assertSame([1, (int) $this->olga->id, 1], [(int) $chat['status'], (int) $chat['user_id'], (int) $chat['status_sub']]);
        self::assertSame([
            '0: Do you have these in red?',
            "{$this->olga->id}: Hello",
            '-1: Olga has accepted the pending chat by sending a message!',
        ], $this->texts());
        self::assertSame([(int) $this->olga->id, 1], [$this->told()['owner_id'], $this->told()['status']]);
        self::assertSame(1, (int) $this->database->value('SELECT active_chats FROM lh_userdep WHERE user_id = ?', [$this->olga->id]));
    }

    public function testAnInvisibleOperatorAcceptsNothing(): void
    {
        $this->database->run('UPDATE lh_users SET invisible_mode = 1');
        $this->says('Hello');
        self::assertSame([0, 0], [(int) $this->chatRow()['status'], (int) $this->chatRow()['user_id']]);
    }

    public function testABotsChatIsTakenOver(): void
    {
        $this->set(['status' => 5, 'chat_variables' => '{"bot_lock_msg":1,"x":2}']);
        $this->says('A human now');
        self::assertSame(1, (int) $this->chatRow()['status']);
        self::assertSame(['x' => 2], json_decode($this->chatRow()['chat_variables'], true));
        self::assertSame('-1: Olga has accepted the bot chat by sending a message!', $this->texts()[2]);
    }

    public function testCommandsOfLhcAreWordsLikeOthers(): void
    {
        $this->grant($this->olga, 'allowblockusers');
        $this->says('!block');
        self::assertContains("{$this->olga->id}: !block", $this->texts());
        self::assertSame([], $this->rowsOf('lh_chat_blocked_user'));
    }

    public function testRawHtmlNeedsLhcsRight(): void
    {
        $this->says('[html]<script>1</script>[/html] [b]bold[/b]');
        self::assertContains("{$this->olga->id}: [ html]<script>1</script>[/html] [b]bold[/b]", $this->texts());
        $this->grant($this->olga, 'htmlbbcodeenabled');
        $this->says('[html]<hr>[/html]', 'm2');
        self::assertContains("{$this->olga->id}: [html]<hr>[/html]", $this->texts());
    }

    public function testWhatLhcsGuardrailsKeepFromVisitorsIsRefused(): void
    {
        if ((getenv('LHC_DIR') ?: '') !== '') {
            self::markTestSkipped('LHC has rules of its own; the double keeps card numbers');
        }
        self::assertSame('accepted', $this->says('Pay with 4111')->body['outcome']);
        $this->database->run("INSERT INTO lh_chat_config (identifier, value, type, `explain`, hidden) VALUES ('guardrails_enabled', '1', 0, '', 0)");
        $answer = $this->says('Pay with 4111', 'm2');
        self::assertSame(['not-allowed', 'No card numbers'], [$answer->body['code'], $answer->body['text']]);
        self::assertSame('not-allowed', $this->says('With 4111', 'm3', 'm1')->body['code']);
        self::assertNotContains("{$this->olga->id}: With 4111", $this->texts());
    }

    public function testTypingEndsWithTheMessage(): void
    {
        $this->set(['status' => 1, 'user_id' => $this->olga->id]);
        $this->comes('operator.typing', $this->about(['state' => 'composing']));
        self::assertSame((int) $this->olga->id, (int) $this->chatRow()['operator_typing_id']);
        $this->says('Hello');
        self::assertSame([0, 0], [(int) $this->chatRow()['operator_typing'], (int) $this->chatRow()['operator_typing_id']]);
    }

    public function testHoldEndsWithTheMessage(): void
    {
        $this->set(['status' => 1, 'status_sub' => 8, 'user_id' => $this->olga->id]);
        $this->says('Back again');
        self::assertSame(0, (int) $this->chatRow()['status_sub']);
    }

    public function testAVisitorWhoLeftGetsTheChatBack(): void
    {
        $this->set(['status' => 1, 'user_status' => 1, 'user_id' => $this->olga->id]);
        $this->says('Are you there?');
        self::assertSame(2, (int) $this->chatRow()['user_status']);
        self::assertSame(1, (int) $this->annaRow()['reopen_chat']);
    }

    /** @dataProvider endings */
    public function testAnEndedChatBecomesAnInvitationWhileTheVisitorIsThere(array $fields): void
    {
        $this->set($fields);
        $answer = $this->says('One more thing');
        self::assertSame(['outcome' => 'accepted', 'notice' => ['code' => 'invited', 'text' => '']], $answer->body);
        self::assertNotContains("{$this->olga->id}: One more thing", $this->texts());
        $anna = $this->annaRow();
        self::assertSame(['One more thing', (int) $this->olga->id, 0], [$anna['operator_message'], (int) $anna['operator_user_id'], (int) $anna['message_seen']]);
    }

    /** @dataProvider endings */
    public function testAnEndedChatOfAVisitorWhoIsGoneRefuses(array $fields): void
    {
        $this->set($fields);
        $this->database->run('UPDATE lh_chat_online_user SET last_visit = 1, last_check_time = ?', [time() - 400]);
        $before = $this->everything();
        $answer = $this->says('One more thing');
        self::assertSame([200, 'refused', 'chat-ended'], [$answer->status, $answer->body['outcome'], $answer->body['code']]);
        self::assertSame($before, $this->everything());
    }

    /** @return iterable<string, array{array<string, int>}> */
    public function endings(): iterable
    {
        yield 'closed in LHC' => [['status' => 2]];
        yield 'ended by the visitor' => [['status' => 1, 'status_sub' => 3]];
        yield 'survey filled in' => [['status' => 1, 'status_sub' => 9]];
        yield 'sent to the contact form' => [['status' => 1, 'status_sub' => 2]];
    }

    public function testAnEndedChatRefusesWhileTheVisitorTalksInAnother(): void
    {
        $this->set(['status' => 1, 'status_sub' => 3]);
        $this->chat($this->anna, ['dep_id' => $this->sales->id]);
        self::assertSame('chat-ended', $this->says('Too late')->body['code']);
    }

    public function testACorrectionIsLhcsEditOfTheRow(): void
    {
        $this->says('We have thm');
        $rows = count($this->rowsOf('lh_msg'));
        $events = $this->events(
            ['chat.before_msg_admin_update', 'chat.message_updated', 'chat.message_updated_admin'],
            fn () => $this->says('We have them', 'm2', 'm1'),
        );
        self::assertSame(['chat.before_msg_admin_update', 'chat.message_updated', 'chat.message_updated_admin'], $events);
        self::assertCount($rows, $this->rowsOf('lh_msg'));
        $row = $this->database->row('SELECT * FROM lh_msg WHERE user_id = ?', [$this->olga->id]);
        self::assertSame('We have them', $row['msg']);
        self::assertStringContainsString('We have thm', $row['meta_msg']);
        self::assertSame("lhinst.updateMessageRow({$row['id']});\n", $this->chatRow()['operation']);
        // Clients may name the original or its correction.
        $this->says('We have them all', 'm3', 'm1');
        $this->says('We have them all!', 'm4', 'm2');
        self::assertCount($rows, $this->rowsOf('lh_msg'));
        self::assertContains("{$this->olga->id}: We have them all!", $this->texts());
    }

    public function testWhatCannotBeCorrectedIsAMessageLikeAnyOther(): void
    {
        $this->says('first', 'm2', 'never-seen');
        self::assertContains("{$this->olga->id}: first", $this->texts());
        $paul = $this->operator(['name' => 'Paul', 'surname' => ''], [$this->sales->id]);
        $this->comes('chat.message', $this->about(['operator' => $this->named($paul), 'message' => ['id' => 'p1', 'body' => 'second', 'replaces' => 'm2']]));
        self::assertContains("{$this->olga->id}: first", $this->texts());
        self::assertContains("{$paul->id}: second", $this->texts());
    }

    public function testAnIdThatComesTwiceIsTwoMessages(): void
    {
        $this->says('one', '1');
        $this->says('two', '1');
        $this->says('three', '1');
        $rows = array_column($this->database->rows('SELECT id FROM lh_msg WHERE user_id = ?', [$this->olga->id]), 'id');
        $known = array_column($this->database->rows('SELECT DISTINCT msg_id FROM lhc_xmppchat_message ORDER BY msg_id'), 'msg_id');
        self::assertCount(3, $rows);
        self::assertEquals($rows, $known);
        $this->says('third', 'c', '1');
        self::assertContains("{$this->olga->id}: third", $this->texts());
        self::assertContains("{$this->olga->id}: two", $this->texts());
    }

    public function testIdsMayBeLong(): void
    {
        $id = str_repeat('x', 3_000);
        $this->says('long', $id);
        $this->says('longer', 'c', $id);
        self::assertContains("{$this->olga->id}: longer", $this->texts());
    }

    public function testANoteIsForOperatorsOnly(): void
    {
        $this->comes('chat.note', $this->about(['note' => ['id' => 'n', 'body' => 'wants [html]red']]));
        self::assertSame('-1: [b]Olga[/b]: wants [ html]red', $this->texts()[1]);
        self::assertSame([0, 0], [(int) $this->chatRow()['status'], (int) $this->chatRow()['has_unread_op_messages']]);
        self::assertSame((int) $this->database->value('SELECT MAX(id) FROM lh_msg'), (int) $this->chatRow()['last_msg_id']);
    }
}
