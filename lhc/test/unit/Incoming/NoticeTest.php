<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;

/** `chat.notice`: what the service lets a visitor read while nobody answers. */
final class NoticeTest extends CallbackTestCase
{
    public function testTheVisitorReadsItOnceAsWordsOfABot(): void
    {
        $events = $this->events(['chat.web_add_msg_admin', 'chat.accept'], fn () => $this->comes('chat.notice', $this->notice(), 'hook-1'));
        self::assertSame(['chat.web_add_msg_admin'], $events);
        self::assertSame(['0: Do you have these in red?', '-2: We are back at [ html] nine.'], $this->texts());
        $row = $this->database->row('SELECT * FROM lh_msg ORDER BY id DESC LIMIT 1');
        self::assertSame(['content' => ['xmppchat' => ['id' => 'm3']]], json_decode($row['meta_msg'], true));
        $chat = $this->chatRow();
        self::assertSame(
            [(int) $row['id'], 1, 0, 0],
            [(int) $chat['last_msg_id'], (int) $chat['has_unread_op_messages'], (int) $chat['status'], (int) $chat['user_id']],
        );
        $this->comes('chat.notice', $this->notice(), 'hook-1');
        self::assertCount(2, $this->texts());
    }

    public function testAChatThatAnOperatorHasOrThatIsClosedGetsNone(): void
    {
        foreach ([1, 2] as $status) {
            $this->set(['status' => $status]);
            self::assertSame(['outcome' => 'accepted'], $this->comes('chat.notice', $this->notice())->body);
            self::assertSame(['0: Do you have these in red?'], $this->texts());
        }
    }

    /** @return array<string, mixed> */
    private function notice(): array
    {
        return $this->about(['operator' => null, 'reason' => 'closed', 'message' => ['id' => 'm3', 'body' => 'We are back at [html] nine.']]);
    }
}
