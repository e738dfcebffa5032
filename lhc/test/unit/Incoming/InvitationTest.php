<?php

declare(strict_types=1);

use XmppChat\Lhc\Extension;
use XmppChat\Lhc\Incoming\Invitation;
use XmppChat\Lhc\Test\CallbackTestCase;

/** `visitor.invited` and what follows: the visitor reads it, and no word is lost. */
final class InvitationTest extends CallbackTestCase
{
    protected function setUp(): void
    {
        parent::setUp();
        $this->withoutChat();
    }

    public function testTheVisitorIsInvited(): void
    {
        $this->database->run(
            "UPDATE lh_chat_online_user SET online_attr_system = ?, requires_email = 1, message_seen = 1",
            ['{"qinv":1,"session_inv":[1],"lhcinv_exp":5,"lhcnxt_ivt":5,"username":"Anna"}'],
        );
        $events = $this->events(['onlineuser.proactive_send_invitation'], fn () => self::assertSame(['outcome' => 'accepted'], $this->invites('Can I help?')->body));
        self::assertSame(['onlineuser.proactive_send_invitation'], $events);
        $anna = $this->annaRow();
        self::assertSame(['Can I help?', (int) $this->olga->id], [$anna['operator_message'], (int) $anna['operator_user_id']]);
        self::assertSame([0, -1, 0], [(int) $anna['message_seen'], (int) $anna['invitation_id'], (int) $anna['requires_email']]);
        $attributes = json_decode($anna['online_attr_system'], true);
        self::assertSame(['Anna', 1], [$attributes['username'], $attributes['lhc_assign_to_me']]);
        self::assertSame([], array_intersect(['qinv', 'session_inv', 'lhcinv_exp', 'lhcnxt_ivt'], array_keys($attributes)));
        self::assertIsString($attributes['xmppchat_invitation']);
        self::assertSame([['i1', 0]], $this->known());
    }

    public function testAPageViewAtTheSameMomentKeepsIt(): void
    {
        Extension::instance()->attach(erLhcoreClassChatEventDispatcher::getInstance());
        foreach (['i1' => 'Can I help?', 'i2' => 'With shoes?'] as $id => $words) {
            $page = erLhcoreClassModelChatOnlineUser::fetch($this->anna->id, false);
            $this->invites($words, $id);
            $this->savesPageView($page);
        }
        $anna = $this->annaRow();
        self::assertSame(["Can I help?\nWith shoes?", 0, -1], [$anna['operator_message'], (int) $anna['message_seen'], (int) $anna['invitation_id']]);
        // Whatever else LHC writes of the invitation stands.
        $this->widgetFetches();
        $page = erLhcoreClassModelChatOnlineUser::fetch($this->anna->id, false);
        $page->operator_message = '';
        $this->savesPageView($page);
        self::assertSame('', $this->annaRow()['operator_message']);
    }

    /** What LHC does behind a page view. */
    private function savesPageView(erLhcoreClassModelChatOnlineUser $page): void
    {
        $page->store_chat = true;
        erLhcoreClassChatEventDispatcher::getInstance()->dispatch('onlineuser.before_store_chat', ['online_user' => $page, 'errors' => []]);
        $page->saveThis();
    }

    public function testFurtherWordsAreAddedAndTheOperatorIsTold(): void
    {
        $this->invites('Can I help?');
        // Not fetched by the widget yet: it will show both.
        self::assertSame(['outcome' => 'accepted'], $this->invites('With shoes?', 'i2')->body);
        $this->widgetFetches();
        $notice = ['outcome' => 'accepted', 'notice' => ['code' => 'not-shown-yet', 'text' => '']];
        self::assertSame($notice, $this->invites('Or boots?', 'i3')->body);
        self::assertSame($notice, $this->invites('Hm?', 'i4')->body);
        self::assertSame("Can I help?\nWith shoes?\nOr boots?\nHm?", $this->annaRow()['operator_message']);
        self::assertSame([['i1', 0], ['i2', 0], ['i3', 0], ['i4', 0]], $this->known());
    }

    public function testTheNodeHelperShowsFurtherWordsAtOnce(): void
    {
        $config = erConfigClassLhConfig::getInstance();
        $before = $config->getSetting('site', 'extensions', false);
        try {
            $config->setSetting('site', 'extensions', ['nodejshelper']);
            $this->invites('Can I help?');
            $this->widgetFetches();
            self::assertSame(['outcome' => 'accepted'], $this->invites('With shoes?', 'i2')->body);
        } finally {
            $config->setSetting('site', 'extensions', $before === false ? [] : $before);
        }
    }

    public function testOneOfSeveralIsCorrected(): void
    {
        $this->invites('Can I hlp?');
        $this->invites('With shoes?', 'i2');
        $this->invites('Can I help?', 'i3', 'i1');
        self::assertSame("Can I help?\nWith shoes?", $this->annaRow()['operator_message']);
        $this->invites('Can I help you?', 'i4', 'i3');
        self::assertSame("Can I help you?\nWith shoes?", $this->annaRow()['operator_message']);
        $this->invites('And gloves', 'i5', 'unknown');
        self::assertSame("Can I help you?\nWith shoes?\nAnd gloves", $this->annaRow()['operator_message']);
    }

    public function testAnotherOperatorsInvitationTakesItsPlace(): void
    {
        $paul = $this->operator(['name' => 'Paul'], [$this->sales->id]);
        $this->invites('Can I help?');
        $this->invites('Hello from Paul', 'p1', null, $paul);
        self::assertSame(['Hello from Paul', (int) $paul->id], [$this->annaRow()['operator_message'], (int) $this->annaRow()['operator_user_id']]);
        self::assertSame([['p1', 0]], $this->known());
    }

    public function testAnInvitationOfLhcsOwnPageIsNotAddedTo(): void
    {
        $this->invites('Can I help?');
        $this->database->run("UPDATE lh_chat_online_user SET operator_message = 'From the page'");
        $this->invites('Still there?', 'i2');
        self::assertSame('Still there?', $this->annaRow()['operator_message']);
    }

    public function testWordsThatComeWhileTheVisitorAnswersAreInTheChat(): void
    {
        Extension::instance()->attach(erLhcoreClassChatEventDispatcher::getInstance());
        $this->invites('Can I help?');
        $read = erLhcoreClassModelChatOnlineUser::fetch($this->anna->id, false);
        $answer = function () use ($read): string {
            $message = new erLhcoreClassModelmsg();
            $message->msg = trim((string) $read->operator_message);
            erLhcoreClassChatEventDispatcher::getInstance()->dispatch('chat.process_invitation_ou', ['ou' => $read, 'msg' => &$message, 'chat' => $this->chat]);
            return $message->msg;
        };
        self::assertSame('Can I help?', $answer());
        $this->invites('With shoes?', 'i2');
        self::assertSame("Can I help?\nWith shoes?", $answer());
        // LHC writes the whole row afterwards.
        $read->saveThis();
        self::assertSame("Can I help?\nWith shoes?", $this->rowsOf('lh_chat_online_user')[0]['operator_message']);
    }

    public function testAfterAnAnswerAnInvitationIsANewOne(): void
    {
        $this->invites('Can I help?');
        $this->answered('closed');
        $this->invites('Welcome back', 'i2');
        self::assertSame('Welcome back', $this->annaRow()['operator_message']);
    }

    public function testWordsToAVisitorWhoHasJustBegunAChatAreInTheChat(): void
    {
        $this->invites('Can I help?');
        $this->answered();
        $rows = count($this->rowsOf('lh_msg'));
        self::assertSame(['outcome' => 'accepted'], $this->invites('With shoes?', 'i2')->body);
        self::assertContains("{$this->olga->id}: With shoes?", $this->texts());
        self::assertCount($rows + 1, $this->rowsOf('lh_msg'));
        self::assertSame(0, (int) $this->chatRow()['status']);
    }

    public function testACorrectionAfterTheAnswerChangesThePartOfTheRow(): void
    {
        $this->invites('Can I hlp?');
        $this->invites('With shoes?', 'i2');
        $row = $this->answered();
        $this->says('Can I help?', 'i3', 'i1');
        $this->says('Can I help you?', 'i4', 'i3');
        self::assertSame("Can I help you?\nWith shoes?", (string) $this->database->value('SELECT msg FROM lh_msg WHERE id = ?', [$row]));
    }

    public function testExpiredItIsTakenDownButALateAnswerStillHasItsWords(): void
    {
        $this->invites('Can I help?');
        $this->comes('visitor.invitation_expired', ['visitor' => (string) $this->anna->id, 'operator' => $this->named($this->olga), 'reason' => 'not-answered']);
        self::assertSame([1, 'Can I help?'], [(int) $this->annaRow()['message_seen'], $this->annaRow()['operator_message']]);
        self::assertGreaterThan(0, (int) $this->annaRow()['message_seen_ts']);
        self::assertSame([['i1', 0]], $this->known());
    }

    public function testAnotherInvitationIsNotTakenDown(): void
    {
        $paul = $this->operator(['name' => 'Paul'], [$this->sales->id]);
        $this->invites('Hello from Paul', 'p1', null, $paul);
        $this->comes('visitor.invitation_expired', ['visitor' => (string) $this->anna->id, 'operator' => $this->named($this->olga), 'reason' => 'not-answered']);
        self::assertSame(0, (int) $this->annaRow()['message_seen']);
    }

    public function testACleanedUpVisitorHasNoInvitation(): void
    {
        $this->invites('Can I help?');
        $this->comes('visitor.cleaned_up', ['visitor' => (string) $this->anna->id, 'lastSeen' => '2026-01-01T00:00:00Z']);
        self::assertSame(1, (int) $this->annaRow()['message_seen']);
        self::assertSame([], $this->known());
    }

    public function testVisitorsThatLhcDoesNotKnow(): void
    {
        $before = $this->everything();
        foreach (['999999', '7.chat', 'demo-1', '0', '-1', '1 OR 1=1', str_repeat('9', 30)] as $visitor) {
            $message = ['id' => 'i', 'body' => 'x'];
            $answer = $this->comes('visitor.invited', ['visitor' => $visitor, 'operator' => $this->named($this->olga), 'message' => $message]);
            self::assertSame('visitor-unknown', $answer->body['code'] ?? '', $visitor);
            self::assertSame(['outcome' => 'accepted'], $this->comes('visitor.invitation_expired', ['visitor' => $visitor, 'operator' => $this->named($this->olga), 'reason' => 'x'])->body);
        }
        self::assertSame($before, $this->everything());
    }

    public function testTheDepartmentOfThePageCounts(): void
    {
        $support = $this->department(['name' => 'Support']);
        $this->database->run('UPDATE lh_chat_online_user SET dep_id = ?', [$support->id]);
        self::assertSame('not-allowed', $this->invites('Can I help?')->body['code']);
    }

    public function testAnInvitationHasABound(): void
    {
        $this->invites('Can I help?');
        $long = str_repeat('x', Invitation::TEXT_MAX_BYTES - 20);
        self::assertSame('accepted', $this->invites($long, 'i2')->body['outcome']);
        self::assertSame('not-possible', $this->invites('and more of these words', 'i3')->body['code']);
        self::assertSame("Can I help?\n{$long}", $this->annaRow()['operator_message']);
    }

    /** LHC's widget asks for the invitation. */
    private function widgetFetches(): void
    {
        $this->database->run('UPDATE lh_chat_online_user SET invitation_id = 0');
    }

    /**
     * Anna answers the invitation: what LHC writes then, and what the sender does.
     *
     * @return int the row of the invitation
     */
    private function answered(string $state = 'open'): int
    {
        $anna = erLhcoreClassModelChatOnlineUser::fetch($this->anna->id, false);
        $this->chat = $this->chat($anna, ['dep_id' => $this->sales->id, 'chat_initiator' => 1, 'status' => $state === 'open' ? 0 : 2, 'user_id' => $this->olga->id]);
        $row = $this->message($this->chat, $anna->operator_message, (int) $this->olga->id);
        $this->message($this->chat, 'Yes!');
        $this->database->run('UPDATE lh_chat_online_user SET message_seen = 1, message_seen_ts = ?', [time()]);
        $this->database->run('UPDATE lhc_xmppchat_message SET msg_id = ? WHERE msg_id = 0', [$row->id]);
        return (int) $row->id;
    }

    /** @return list<array{string, int}> ids of messages and their rows */
    private function known(): array
    {
        return array_map(
            fn (array $row): array => [$row['xmpp_id'], (int) $row['msg_id']],
            $this->database->rows('SELECT xmpp_id, msg_id FROM lhc_xmppchat_message ORDER BY xmpp_id'),
        );
    }
}
