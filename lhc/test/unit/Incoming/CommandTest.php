<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\CallbackTestCase;

/** `chat.command`: LHC's own commands, by operators who may. */
final class CommandTest extends CallbackTestCase
{
    public function testTheOperatorReadsLhcsAnswer(): void
    {
        self::assertSame(['code' => 'answer', 'text' => 'Remarks were saved!'], $this->command('!remark wants red'));
        self::assertSame('wants red', $this->chatRow()['remarks']);
        self::assertSame('-1: [b]Olga[/b]: !remark wants red || Remarks were saved!', $this->texts()[1]);
        self::assertSame((int) $this->database->value('SELECT MAX(id) FROM lh_msg'), (int) $this->chatRow()['last_msg_id']);
    }

    public function testAnAnswerThatIsOnlyInformationIsNoRow(): void
    {
        self::assertStringContainsString('Sales', $this->command('!info')['text']);
        self::assertStringContainsString('Unknown command', $this->command('!nonsense')['text']);
        self::assertSame(['0: Do you have these in red?'], $this->texts());
    }

    public function testBlockNeedsTheRightOfTheOperator(): void
    {
        self::assertSame('You do not have permission to block user!', $this->command('!block')['text']);
        self::assertSame([], $this->rowsOf('lh_chat_blocked_user'));
        $this->grant($this->olga, 'allowblockusers');
        self::assertSame('User was blocked!', $this->command('!block')['text']);
        $block = $this->rowsOf('lh_chat_blocked_user')[0];
        self::assertSame([(int) $this->chat->id, (int) $this->olga->id], [(int) $block['chat_id'], (int) $block['user_id']]);
    }

    public function testCloseClosesAndLeavesNoMarks(): void
    {
        $this->set(['status' => 1, 'user_id' => $this->olga->id, 'operator_typing' => time(), 'operator_typing_id' => $this->olga->id, 'has_unread_messages' => 1]);
        self::assertSame('Chat was closed!', $this->command('!close')['text']);
        $chat = $this->chatRow();
        self::assertSame([2, 0, 0], [(int) $chat['status'], (int) $chat['operator_typing'], (int) $chat['has_unread_messages']]);
        self::assertContains('-1: Olga has closed the chat!', $this->texts());
    }

    public function testCloseOfAChatThatWaitsNeedsTheRight(): void
    {
        self::assertStringContainsString('permission', $this->command('!close')['text']);
        self::assertSame(0, (int) $this->chatRow()['status']);
        $this->grant($this->olga, 'allowcloseremote');
        $this->command('!close');
        self::assertSame(2, (int) $this->chatRow()['status']);
    }

    public function testWhatACommandChangesIsNewsForTheService(): void
    {
        $this->comes('chat.accepted', $this->about());
        $told = $this->told();
        $this->command('!close');
        self::assertSame($told, $this->told());
    }

    public function testWordsForTheVisitorAreAnnounced(): void
    {
        $this->set(['status' => 1, 'user_id' => $this->olga->id]);
        $events = $this->events(['chat.web_add_msg_admin'], fn () => $this->command('!hold One moment'));
        self::assertCount(2, $events);
        self::assertContains("{$this->olga->id}: One moment", $this->texts());
        self::assertSame((int) $this->database->value('SELECT MAX(id) FROM lh_msg'), (int) $this->chatRow()['last_msg_id']);
    }

    public function testAChatMayBeGoneAfterwards(): void
    {
        $this->set(['user_id' => $this->olga->id]);
        $this->grant($this->olga, 'deletechat');
        self::assertSame('Chat was deleted!', $this->command('!delete')['text']);
        self::assertSame([], $this->rowsOf('lh_chat'));
        self::assertSame([], $this->rowsOf('lh_msg'));
    }

    public function testAnotherOperatorsChatNeedsTheRight(): void
    {
        $paul = $this->operator(['name' => 'Paul'], [$this->sales->id]);
        $this->set(['status' => 1, 'user_id' => $paul->id]);
        self::assertSame('not-allowed', $this->sent('!remark x')->body['code']);
        $this->grant($this->olga, 'writeremotechat');
        self::assertSame('Remarks were saved!', $this->command('!remark x')['text']);
    }

    public function testWhatNeedsLhcsPageIsRefused(): void
    {
        foreach (['!closed', '!translate'] as $text) {
            self::assertSame('command-refused', $this->sent($text)->body['code']);
        }
        self::assertSame('', $this->chatRow()['operation_admin']);
    }

    public function testLhcsWordsAreNotEscapedForHtml(): void
    {
        $words = '';
        erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.web_add_msg_admin', static function () use (&$words): void {
            $words = erTranslationClassLhTranslation::getInstance()->getTranslation('chat/chatcommand', "it's <b>");
        });
        $this->command('!remark x');
        self::assertSame("it's <b>", $words);
        self::assertTrue(erTranslationClassLhTranslation::$htmlEscape);
    }

    public function testACommandBeginsWithItsSign(): void
    {
        self::assertSame(400, $this->sent('block')->status);
    }

    private function sent(string $text): XmppChat\Lhc\Incoming\Answer
    {
        return $this->comes('chat.command', $this->about(['messageId' => 'c', 'command' => explode(' ', $text)[0], 'text' => $text]));
    }

    /** @return array{code: string, text: string} what the operator reads */
    private function command(string $text): array
    {
        return $this->sent($text)->body['notice'];
    }
}
