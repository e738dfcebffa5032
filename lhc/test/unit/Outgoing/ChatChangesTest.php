<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\Sending;

/** What the service is told of a chat: the difference to what it knows. */
final class ChatChangesTest extends Sending
{
    public function testAChatBeginsWithItsFirstWords(): void
    {
        $visitor = $this->visitor();
        $chat = $this->chat($visitor, ['dep_id' => $this->department()->id]);
        $first = $this->message($chat, 'Do you have these in 43? 👟');
        $second = $this->message($chat, 'Hello?');
        $this->changed($chat, 'chat.chat_started');

        [$start, $message] = self::$service->requests();
        self::assertSame("visitors/{$visitor->id}/chats", $start['path']);
        self::assertSame([
            'chatId' => (string) $chat->id,
            'department' => 'Sales',
            'nick' => 'Anna',
            'message' => ['id' => "lhc-{$first->id}", 'body' => 'Do you have these in 43? 👟'],
        ], $start['body']);
        self::assertSame("visitors/{$visitor->id}/messages", $message['path']);
        self::assertSame(['id' => "lhc-{$second->id}", 'chatId' => (string) $chat->id, 'body' => 'Hello?'], $message['body']);
        self::assertSame([], $this->outbox());
        self::assertSame([], $this->changed($chat), 'nothing is told twice');
    }

    public function testAChatOfAnUntrackedVisitorIsAVisitorOfItsOwn(): void
    {
        $chat = $this->chat(null, ['nick' => 'Visitor']);
        $this->changed($chat, 'chat.genericbot_set_bot');
        $start = self::$service->requests()[0];
        self::assertSame("visitors/{$chat->id}.chat/chats", $start['path']);
        self::assertSame(['chatId' => (string) $chat->id], $start['body']);
    }

    public function testWordsOfOperatorsAndBotsHaveTheirAuthorsAndPrivateRowsStay(): void
    {
        $chat = $this->knownChat();
        $olga = $this->operator(['chat_nickname' => 'Olga P.']);
        $this->message($chat, 'accepted the chat', -1);
        $this->message($chat, 'He is difficult', (int) $olga->id, ['meta_msg' => '{"content":{"whisper":true}}']);
        $this->message($chat, '   ', 0);
        $this->message($chat, 'In black, yes', (int) $olga->id, ['name_support' => 'Olga']);
        $this->message($chat, 'Bye', (int) $olga->id);
        $this->message($chat, 'Please wait', -2);
        $this->message($chat, 'Fine');
        $path = "chats/{$chat->id}/operator-messages";
        self::assertSame([
            "{$path} In black, yes ({$olga->id})",
            "{$path} Bye ({$olga->id})",
            "{$path} Please wait (-2)",
            'messages Fine',
        ], $this->changed($chat));
        self::assertSame(['Olga', 'Olga P.', 'Bot'], array_column(array_column(array_slice(self::$service->requests(), 1, 3), 'body'), 'name'));
    }

    public function testAQuotationOfLhcIsOneInPlainText(): void
    {
        $chat = $this->knownChat();
        $this->message($chat, "[quote=5]Do you\nship?[/quote] I meant abroad");
        self::assertSame(["messages > Do you\n> ship?\nI meant abroad"], $this->changed($chat));
    }

    public function testAVisitorsFilesAreMessagesOfTheirOwnThatAnOperatorCanOpenWithoutASession(): void
    {
        $chat = $this->knownChat();
        $hash = $this->fileOf($chat);
        $this->message($chat, "Look: [file=5_{$hash}] and [file=\"6_{$hash}_img\"]", 0, [
            'meta_msg' => json_encode(['content' => ['attachements' => [['id' => 5, 'security_hash' => $hash]]]]),
        ]);
        $links = $this->extension->fileLinks();
        $link = $links->of(5, $hash, 1_700_000_000);
        self::assertSame(["messages Look: photo 1.jpg and {$links->of(6, $hash, 0)}", "messages {$link}"], $this->changed($chat));
        self::assertStringStartsWith("https://chat.example.org/xmppchat/file/5/{$hash}/", $link);
        $row = (int) $this->database->value('SELECT MAX(id) FROM lh_msg');
        $file = array_slice(self::$service->requests(), -1)[0];
        self::assertSame(["msg-{$row}.1", [
            'id' => "lhc-{$row}.1",
            'chatId' => (string) $chat->id,
            'files' => [['url' => $link, 'name' => 'photo 1.jpg', 'type' => 'image/jpeg', 'size' => 7]],
        ]], [$file['id'], $file['body']]);
        // A visitor may type any number; the name of another chat's file is shown to nobody.
        $guess = md5('guess');
        $this->message($chat, "[file=5_{$guess}]");
        self::assertSame(["messages {$links->of(5, $guess, 0)}"], $this->changed($chat));
    }

    public function testAFileAloneIsOneMessageAlsoAsTheFirstWordsOfAChat(): void
    {
        $chat = $this->chat($this->visitor());
        $hash = $this->fileOf($chat, 'clipboard');
        $this->message($chat, "[file=5_{$hash}_img]\n");
        $this->changed($chat, 'chat.chat_started');
        [$start] = self::$service->requests();
        $link = $this->extension->fileLinks()->of(5, $hash, 1_700_000_000);
        $message = $start['body']['message'];
        self::assertSame([['url' => $link, 'name' => 'clipboard.jpg', 'type' => 'image/jpeg', 'size' => 7]], $message['files']);
        self::assertArrayNotHasKey('body', $message);
        self::assertCount(1, self::$service->requests());
    }

    public function testAColleaguesFileIsALinkInTheText(): void
    {
        $chat = $this->knownChat();
        $hash = $this->fileOf($chat);
        $olga = $this->operator(['name' => 'Olga']);
        $this->message($chat, "[file=5_{$hash}]", (int) $olga->id);
        $link = $this->extension->fileLinks()->of(5, $hash, 1_700_000_000);
        self::assertStringContainsString(" photo 1.jpg {$link}", implode("\n", $this->changed($chat)));
    }

    /** @return string LHC's hash of file 5, which is of this chat */
    private function fileOf(\erLhcoreClassModelChat $chat, string $name = 'photo 1.jpg'): string
    {
        $this->database->run('DELETE FROM lh_chat_file');
        $this->database->run(
            "INSERT INTO lh_chat_file (id, name, upload_name, size, type, file_path, extension, chat_id, online_user_id, user_id, date, persistent, meta_msg)
             VALUES (5, 'x', ?, 7, 'image/jpeg', '', 'jpg', ?, 0, 0, 1700000000, 0, '')",
            [$name, $chat->id],
        );
        return md5("x_{$chat->id}");
    }

    /** Rows of XMPP operators need nothing, and are done at once; a word that waits below many of them must not be forgotten. */
    public function testAWordThatTheServiceDidNotTakeIsSentHoweverManyRowsFollow(): void
    {
        $chat = $this->knownChat();
        $busy = ['status' => 503, 'body' => ['code' => 'overloaded', 'detail' => 'busy']];
        self::$service->behave(['answers' => ['#/messages#' => $busy]]);
        $this->message($chat, 'Are you there?');
        foreach (range(1, 80) as $row) {
            $this->message($chat, "Answer {$row}", 7, ['meta_msg' => '{"content":{"xmppchat":{"id":"x"}}}']);
        }
        $this->message($chat, 'Hello?');
        $this->changed($chat);
        self::$service->behave([]);
        $this->aheadMs += 600_000;
        self::assertSame(['messages Are you there?', 'messages Hello?'], $this->changed($chat));
        self::assertSame([], $this->changed($chat));
        self::assertSame([], $this->outbox());
    }

    /** After a lost answer, or if it ended in both places at once: nothing that a person has to decide about. */
    public function testAChatThatIsOverThereAlreadyIsClosed(): void
    {
        foreach ([409, 404, 400] as $status) {
            $chat = $this->knownChat();
            self::$service->behave(['answers' => ['#/close#' => ['status' => $status, 'body' => ['code' => 'refused', 'detail' => 'chat 8 is open, not 7']]]]);
            $chat->status = 2;
            $chat->updateThis();
            $this->changed($chat, 'chat.close');
            self::assertSame(1, $this->told($chat)['closed']);
            self::assertCount($status === 400 ? 1 : 0, $this->outbox(), "after {$status}");
        }
    }

    /** What a visitor's second chat needs depends on what the service made of the first one. */
    public function testTwoChatsOfAVisitorThatWaitedTogetherGoOneAfterTheOther(): void
    {
        $visitor = $this->visitor();
        $first = $this->chat($visitor);
        $this->message($first, 'A');
        $second = $this->chat($visitor);
        $this->message($second, 'B');
        foreach ([$first, $second] as $chat) {
            $this->dispatch('chat.chat_started', ['chat' => &$chat]);
        }
        $this->view($visitor);
        self::assertTrue($this->send());
        self::assertSame(
            ['chats A', "chats/{$first->id}/close system", 'chats B', 'page-views https://shop.example/shoes'],
            self::$service->told(),
        );
        self::assertSame([1, 0], [$this->told($first)['closed'], $this->told($second)['closed']]);
    }

    public function testALinkToAFileIsGoodForThirtyDaysAndForNothingElse(): void
    {
        $links = $this->extension->fileLinks();
        [, $until, $signature] = [0, ...array_slice(explode('/', $links->of(5, md5('x'), time())), -2)];
        self::assertTrue($links->isGood(5, md5('x'), (int) $until, $signature));
        self::assertFalse($links->isGood(6, md5('x'), (int) $until, $signature));
        self::assertFalse($links->isGood(5, md5('y'), (int) $until, $signature));
        self::assertFalse($links->isGood(5, md5('x'), (int) $until + 1, $signature));
        $this->aheadMs = 31 * 86_400_000;
        self::assertFalse($links->isGood(5, md5('x'), (int) $until, $signature));
    }

    public function testALongTextGoesInPartsAndLosesWhatXmlCannotCarry(): void
    {
        $chat = $this->knownChat();
        $this->message($chat, str_repeat('ä', 40_000) . "\x00\x1F");
        $said = $this->changed($chat);
        self::assertCount(2, $said);
        self::assertSame(str_repeat('ä', 40_000), substr($said[0], 9) . substr($said[1], 9));
    }

    public function testWhoHasTheChatIsToldOnce(): void
    {
        $chat = $this->knownChat();
        $olga = $this->operator();
        $chat->status = 1;
        $chat->user_id = $olga->id;
        $chat->saveThis();
        self::assertSame(["chats/{$chat->id}/owner ({$olga->id} has it)"], $this->changed($chat, 'chat.accept'));
        self::assertSame('Olga Petrova', self::$service->requests()[1]['body']['name']);
        self::assertSame([], $this->changed($chat));

        $ivan = $this->operator(['name' => 'Ivan']);
        $chat->user_id = $ivan->id;
        $chat->saveThis();
        self::assertSame(["chats/{$chat->id}/owner ({$ivan->id} has it)"], $this->changed($chat, 'chat.chat_owner_changed'));
        $chat->user_id = $olga->id;
        $chat->saveThis();
        $this->changed($chat);
        $ids = array_column(self::$service->requests(), 'id');
        self::assertSame($ids, array_unique($ids), 'the same operator at another time is another request');
    }

    public function testAnAssignmentIsAskedAndAnAnswerAccepts(): void
    {
        $olga = $this->operator();
        $chat = $this->knownChat(['user_id' => $olga->id]);
        self::assertSame("chats/{$chat->id}/owner ({$olga->id} is asked)", self::$service->told()[1]);
        $chat->status = 1;
        $chat->saveThis();
        $this->message($chat, 'Hi', (int) $olga->id);
        self::assertSame(
            ["chats/{$chat->id}/owner ({$olga->id} has it)", "chats/{$chat->id}/operator-messages Hi ({$olga->id})"],
            $this->changed($chat, 'chat.web_add_msg_admin'),
        );
    }

    public function testAnotherDepartmentIsToldUnlessSomebodyHasTheChat(): void
    {
        $sales = $this->department();
        $support = $this->department(['name' => 'Support']);
        $chat = $this->knownChat(['dep_id' => $sales->id]);
        $chat->dep_id = $support->id;
        $chat->saveThis();
        self::assertSame(["chats/{$chat->id}/transfer Support"], $this->changed($chat));

        $chat->user_id = $this->operator()->id;
        $chat->status = 1;
        $chat->saveThis();
        $this->changed($chat);
        $chat->dep_id = $sales->id;
        $chat->saveThis();
        self::assertSame([], $this->changed($chat));
        $chat->user_id = 0;
        $chat->status = 0;
        $chat->saveThis();
        self::assertSame(["chats/{$chat->id}/transfer Sales"], $this->changed($chat), 'back to the queue');
    }

    public function testAnOfferedTransferIsToldOnlyToOperatorsOfOurs(): void
    {
        $support = $this->department(['name' => 'Support']);
        $olga = $this->operator();
        $chat = $this->knownChat();
        $offer = function (array $fields) use ($chat): array {
            $transfer = new \erLhcoreClassModelTransfer();
            foreach ($fields as $name => $value) {
                $transfer->$name = $value;
            }
            $before = count(self::$service->told());
            $this->dispatch('chat.chat_transfered', ['chat' => &$chat, 'transfer' => $transfer, 'scope' => 0]);
            $this->send();
            return array_slice(self::$service->told(), $before);
        };
        self::assertSame([], $offer(['transfer_to_user_id' => $olga->id]));
        $this->database->run("INSERT INTO lhc_xmppchat_account (user_id, username) VALUES (?, 'olga')", [$olga->id]);
        self::assertSame(["chats/{$chat->id}/owner ({$olga->id} is asked)"], $offer(['transfer_to_user_id' => $olga->id]));
        self::assertSame(["chats/{$chat->id}/transfer Support"], $offer(['dep_id' => $support->id]));
        self::assertSame([], $this->changed($chat));
    }

    public function testTheEndHasItsCause(): void
    {
        $dispatched = function (string $event, array $more) {
            $chat = $this->knownChat();
            $chat->status = 2;
            $chat->saveThis();
            if ($event === 'chat.auto_close') {
                $this->dispatch($event, ['chat' => &$chat, 'msg' => null]);
            }
            $this->dispatch('chat.close', ['chat' => &$chat] + $more);
            $this->send();
            return self::$service->told()[count(self::$service->told()) - 1];
        };
        $olga = $this->operator();
        self::assertStringEndsWith('/close operator', $dispatched('', ['user_data' => $olga]));
        self::assertSame(['by' => 'operator', 'name' => 'Olga Petrova'], array_slice(self::$service->requests(), -1)[0]['body']);
        self::assertStringEndsWith('/close system', $dispatched('', ['user_data' => false]));
        self::assertStringEndsWith('/close system', $dispatched('chat.auto_close', ['user_data' => $olga]));

        $chat = $this->knownChat();
        $chat->status_sub = 3;
        $chat->saveThis();
        self::assertSame(["chats/{$chat->id}/close visitor"], $this->changed($chat, 'chat.explicitly_closed'));
        $chat->status = 2;
        $chat->saveThis();
        self::assertSame([], $this->changed($chat), 'LHC closes what was over');
    }

    public function testADeletedChatIsClosed(): void
    {
        $chat = $this->knownChat();
        $this->dispatch('chat.delete', ['chat' => &$chat, 'user' => null]);
        $this->database->run('DELETE FROM lh_chat');
        $this->database->run('DELETE FROM lh_msg');
        $this->send();
        self::assertSame("chats/{$chat->id}/close operator", self::$service->told()[1]);
        $unknown = $this->chat();
        $this->dispatch('chat.delete', ['chat' => &$unknown, 'user' => null]);
        $this->database->run('DELETE FROM lh_chat');
        $this->send();
        self::assertCount(2, self::$service->told());
        self::assertSame([], $this->outbox());
    }

    public function testABotsChatIsToldWhenItGoesToOperatorsWithAllThatWasSaid(): void
    {
        $chat = $this->chat($this->visitor(), ['status' => 5, 'gbot_id' => 1]);
        $this->message($chat, 'Where is my parcel?');
        self::assertSame([], $this->changed($chat));
        $this->message($chat, 'What is its number?', -2);
        $this->message($chat, '42');
        $chat->status = 0;
        $chat->saveThis();
        self::assertSame([
            'chats Where is my parcel?',
            "chats/{$chat->id}/operator-messages What is its number? (-2)",
            'messages 42',
        ], $this->changed($chat));
        $botOnly = $this->chat($this->visitor(), ['status' => 2, 'gbot_id' => 1]);
        self::assertSame([], $this->changed($botOnly));
        $form = $this->chat($this->visitor(), ['status' => 0, 'status_sub' => 7]);
        self::assertSame([], $this->changed($form), 'an offline form is no chat');
    }

    public function testAChatThatBeganAndEndedWhileTheServiceWasAwayIsToldWhole(): void
    {
        $chat = $this->chat($this->visitor(), ['status' => 2]);
        $this->message($chat, 'Hello');
        $this->message($chat, 'Anybody?');
        self::assertSame(['chats Hello', 'messages Anybody?', "chats/{$chat->id}/close system"], $this->changed($chat));
        self::assertSame([], $this->changed($chat));
    }

    public function testAChatThatIsOpenedAgainBeginsAgain(): void
    {
        $chat = $this->knownChat();
        $chat->status = 2;
        $chat->saveThis();
        $this->changed($chat);
        $this->message($chat, 'has closed the chat', -1);
        self::assertSame([], $this->changed($chat));
        $chat->status = 0;
        $chat->saveThis();
        $this->message($chat, 'One more thing');
        self::assertSame(['chats One more thing'], $this->changed($chat, 'chat.user_reopened'));
    }

    public function testTheServiceHasOneChatOfAVisitorTheOneInWhichTheyWroteLast(): void
    {
        $visitor = $this->visitor();
        $first = $this->knownChat([], $visitor);
        $second = $this->knownChat([], $visitor);
        self::assertSame(['chats Hello', "chats/{$first->id}/close system", 'chats Hello'], self::$service->told());
        $this->message($first, 'Anybody?', (int) $this->operator()->id);
        self::assertSame([], $this->changed($first), 'an operator who writes in the other chat does not bring it back');
        $this->message($first, 'I am here again');
        self::assertSame(["chats/{$second->id}/close system", 'chats I am here again'], $this->changed($first));
    }

    public function testARowWithALowerIdThatIsCommittedLaterIsSent(): void
    {
        $chat = $this->knownChat();
        $late = $this->message($chat, 'late');
        $this->database->run('UPDATE lh_msg SET chat_id = 0 WHERE id = ?', [$late->id]);
        $this->message($chat, 'early');
        self::assertSame(['messages early'], $this->changed($chat));
        $this->database->run('UPDATE lh_msg SET chat_id = ? WHERE id = ?', [$chat->id, $late->id]);
        self::assertSame(['messages late'], $this->changed($chat));
        self::assertSame([], $this->changed($chat));
    }

    public function testALongTalkGoesInSeveralBatchesAndInOrder(): void
    {
        $chat = $this->chat($this->visitor());
        for ($i = 0; $i < 450; $i++) {
            $this->message($chat, "word {$i}");
        }
        $told = $this->changed($chat, 'chat.chat_started');
        self::assertSame(['chats word 0', ...array_map(fn (int $i): string => "messages word {$i}", range(1, 449))], $told);
        self::assertSame([], $this->outbox());
    }
}
