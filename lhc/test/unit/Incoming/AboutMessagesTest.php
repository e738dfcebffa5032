<?php

declare(strict_types=1);

use XmppChat\Lhc\Incoming\Answer;
use XmppChat\Lhc\Incoming\Quotes;
use XmppChat\Lhc\Test\CallbackTestCase;

/** `message.retracted`, `message.reaction`, and replies: LHC shows them as its own. */
final class AboutMessagesTest extends CallbackTestCase
{
    private const DONE = ['outcome' => 'accepted', 'notice' => ['code' => 'done', 'text' => '']];

    public function testWhoMayRemoveMessagesRemovesTheRowAsLhcsPageDoes(): void
    {
        $this->grant($this->olga, 'removemsgop');
        $this->says('My password is 1234');
        $this->says('My password is 12345', 'm2', 'm1');
        $row = $this->ofOlga();
        $events = $this->events(['chat.msg_removed'], function () use (&$answer): void {
            $answer = $this->retracts('m2');
        });
        self::assertSame([self::DONE, ['chat.msg_removed']], [$answer->body, $events]);
        self::assertNull($this->ofOlga());
        self::assertStringEndsWith("lhinst.updateMessageRow({$row['id']});\n", $this->chatRow()['operation']);
        // The same by its first id: there is nothing left.
        self::assertSame(self::DONE, $this->retracts('m1')->body);
    }

    public function testForOthersLhcsSentenceTakesItsPlaceAndOperatorsSeeWhatItWas(): void
    {
        $this->says('My password is 1234');
        self::assertSame(self::DONE, $this->retracts('m1')->body);
        $row = $this->ofOlga();
        self::assertSame('Message was removed!', $row['msg']);
        self::assertStringContainsString('My password is 1234', (string) json_decode($row['meta_msg'], true)['content']['notice']['content']);
        self::assertStringContainsString("lhinst.updateMessageRow({$row['id']});", $this->chatRow()['operation']);
    }

    public function testAMessageThatLhcNeverHadIsNoneThatTheVisitorSees(): void
    {
        $before = $this->everything();
        self::assertSame(self::DONE, $this->retracts('never-seen')->body);
        self::assertSame($before, $this->everything());
    }

    public function testWhatIsNotTheirsStays(): void
    {
        $this->says('Hello');
        $paul = $this->operator(['name' => 'Paul', 'surname' => ''], [$this->sales->id]);
        $answer = $this->comes('message.retracted', $this->about(['operator' => $this->named($paul), 'messageId' => 'm1']));
        self::assertSame(['refused', 'not-possible'], [$answer->body['outcome'], $answer->body['code']]);
        self::assertSame('Hello', $this->ofOlga()['msg']);
    }

    public function testAClosedChatsMessageGoesToo(): void
    {
        $this->grant($this->olga, 'removemsgop');
        $this->says('Hello');
        $this->set(['status' => 2]);
        self::assertSame(self::DONE, $this->comes('message.retracted', ['chatId' => null] + $this->about(['messageId' => 'm1']))->body);
        self::assertNull($this->ofOlga());
    }

    public function testAnInvitationLosesTheseWordsOrAll(): void
    {
        $this->withoutChat();
        $this->invites('Hello', 'i1');
        $this->invites('Can I help?', 'i2');
        $this->retracts('i1', null);
        self::assertSame(['Can I help?', 0], [$this->annaRow()['operator_message'], (int) $this->annaRow()['message_seen']]);
        $this->retracts('i2', null);
        self::assertSame(['', 1], [$this->annaRow()['operator_message'], (int) $this->annaRow()['message_seen']]);
    }

    public function testReactionsAreThoseOfLhcsOwnPages(): void
    {
        $events = $this->events(['chat.reaction_operator'], fn () => self::assertSame(self::DONE, $this->reacts(['👍', '❤️', '👋🏽'])->body));
        self::assertCount(3, $events);
        self::assertSame(['thumb' => '1', '2764' => '1', '1F44B' => '1'], $this->reactions());
        $row = $this->chat->last_msg_id;
        self::assertSame("lhinst.updateMessageRow({$row});\n", $this->chatRow()['operation']);
        self::assertSame("lhinst.updateMessageRowAdmin({$this->chat->id},{$row});\n", $this->chatRow()['operation_admin']);
        // The set as it is now takes the place of the one before.
        self::assertSame(['chat.reaction_operator', 'chat.reaction_operator', 'chat.reaction_operator'], $this->events(['chat.reaction_operator'], fn () => $this->reacts(['👎'])));
        self::assertSame(['thumb' => '0'], $this->reactions());
        $this->reacts([]);
        self::assertNull($this->reactions());
        self::assertSame([], $this->events(['chat.reaction_operator'], fn () => $this->reacts([])));
    }

    public function testWhatLhcCannotShowIsRefusedAndWhatItCanIsShown(): void
    {
        foreach (['👩‍💻', '🇩🇪', '<b>', 'a'] as $reaction) {
            self::assertSame(['refused', 'not-possible'], [$this->reacts([$reaction])->body['outcome'], $this->reacts([$reaction])->body['code']], $reaction);
        }
        $this->reacts(['🇩🇪', '🐢']);
        self::assertSame(['1F422' => '1'], $this->reactions());
    }

    public function testReactionsAreToMessagesOfTheVisitorInTheirChat(): void
    {
        $this->says('Hello');
        $own = (int) $this->ofOlga()['id'];
        $other = $this->message($this->chat($this->visitor(), ['dep_id' => $this->sales->id]), 'Elsewhere');
        foreach (["lhc-{$own}", "lhc-{$other->id}", 'lhc-99999', 'm1'] as $id) {
            self::assertSame('not-possible', $this->reacts(['👍'], $id)->body['code'], $id);
        }
    }

    public function testAReplyQuotesAsLhcsPagesDo(): void
    {
        $row = (int) $this->chat->last_msg_id;
        $this->replies("lhc-{$row}");
        self::assertSame("[quote={$row}]Do you have these in red?[/quote]Yes", $this->ofOlga()['msg']);
        // A reply to a reply quotes the words alone, whatever they are made of.
        $this->replies('m1', 'm2');
        self::assertStringEndsWith(']Yes[/quote]Yes', $this->ofOlga()['msg']);
        $long = $this->message($this->chat, '[button_action=x]' . str_repeat('ä', 400) . '[/button_action]');
        $this->replies("lhc-{$long->id}", 'm3');
        self::assertSame("[quote={$long->id}]" . str_repeat('ä', Quotes::WORDS_MAX) . '…[/quote]Yes', $this->ofOlga()['msg']);
    }

    public function testAReplyToWhatLhcDoesNotHaveOrDoesNotShowAsOneHasItsOwnQuotation(): void
    {
        $this->replies('lhc-99999');
        self::assertSame("> Do you have these in red?\nYes", $this->ofOlga()['msg']);
        $options = serialize(['dio' => ['[quote]']]);
        $this->database->run("DELETE FROM lh_chat_config WHERE identifier = 'bbcode_options'");
        $this->database->run("INSERT INTO lh_chat_config (identifier, value, type, `explain`, hidden) VALUES ('bbcode_options', ?, 0, '', 0)", [$options]);
        $this->replies("lhc-{$this->chat->last_msg_id}", 'm2');
        self::assertSame("> Do you have these in red?\nYes", $this->ofOlga()['msg']);
    }

    public function testACorrectedReplyKeepsItsQuotation(): void
    {
        $row = (int) $this->chat->last_msg_id;
        $this->replies("lhc-{$row}");
        $this->replies("lhc-{$row}", 'm2', ['body' => 'No'], ['replaces' => 'm1']);
        self::assertSame("[quote={$row}]Do you have these in red?[/quote]No", $this->ofOlga()['msg']);
    }

    private function retracts(string $id, ?string $chatId = ''): Answer
    {
        $about = $this->about(['messageId' => $id]);
        return $this->comes('message.retracted', $chatId === null ? ['chatId' => null] + $about : $about);
    }

    /** @param list<string> $reactions */
    private function reacts(array $reactions, ?string $id = null): Answer
    {
        return $this->comes('message.reaction', $this->about(['messageId' => $id ?? "lhc-{$this->chat->last_msg_id}", 'reactions' => $reactions]));
    }

    /**
     * @param array<string, string> $reply
     * @param array<string, string> $message
     */
    private function replies(string $to, string $id = 'm1', array $reply = [], array $message = []): void
    {
        $reply += ['messageId' => $to, 'body' => 'Yes'];
        $message += ['id' => $id, 'body' => "> Do you have these in red?\nYes", 'replyTo' => $reply];
        self::assertSame('accepted', $this->comes('chat.message', $this->about(['message' => $message]))->body['outcome']);
    }

    /** @return ?array<string, mixed> Olga's last message */
    private function ofOlga(): ?array
    {
        return $this->database->row('SELECT * FROM lh_msg WHERE user_id = ? ORDER BY id DESC LIMIT 1', [$this->olga->id]);
    }

    /** @return ?array<string, string> of the visitor's first message */
    private function reactions(): ?array
    {
        $meta = json_decode((string) $this->database->value('SELECT meta_msg FROM lh_msg WHERE id = ?', [$this->chat->last_msg_id]), true);
        return $meta['content']['reactions']['current'] ?? null;
    }
}
