<?php

declare(strict_types=1);

use XmppChat\Lhc\Test\TestCase;

/** The harness itself: what the other tests rely on. */
final class HarnessTest extends TestCase
{
    public function testBeginsWithEmptyTables(): void
    {
        $this->message($this->chat($this->visitor()), 'Do you have these in red? 👟');
        self::assertCount(1, $this->rowsOf('lh_msg'));
        $this->setUp();
        self::assertSame([], [...$this->rowsOf('lh_msg'), ...$this->rowsOf('lh_chat'), ...$this->rowsOf('lh_chat_online_user')]);
    }

    public function testModelsAreReadAsTheyWereWritten(): void
    {
        $department = $this->department();
        $operator = $this->operator(departments: [$department->id]);
        $visitor = $this->visitor(['user_country_name' => 'Łódź']);
        $chat = $this->chat($visitor, ['dep_id' => $department->id, 'user_id' => $operator->id]);
        $msg = $this->message($chat, "a\nb 👟");
        $this->forget();

        $read = erLhcoreClassModelChat::fetch($chat->id);
        self::assertSame($msg->id, $read->last_msg_id);
        self::assertSame('Łódź', $read->online_user->user_country_name);
        self::assertSame('Sales', (string) $read->department);
        self::assertSame('Olga Petrova', $read->user->name_support);
        self::assertSame("a\nb 👟", erLhcoreClassModelmsg::findOne(['filter' => ['chat_id' => $chat->id]])->msg);
        self::assertSame([$department->id], erLhcoreClassUserDep::parseUserDepartmetnsForFilter($operator->id, $operator->cache_version));
        self::assertFalse(erLhcoreClassModelChat::fetch($chat->id + 1));
    }

    public function testSavingWritesAllColumnsUnlessSomeAreNamed(): void
    {
        $chat = $this->chat();
        $this->database->run("UPDATE lh_chat SET nick = 'Berta', email = 'b@example.org'");
        $chat->phone = '1';
        $chat->updateThis(['update' => ['phone']]);
        self::assertSame('Berta', $this->rowsOf('lh_chat')[0]['nick']);
        $chat->saveThis();
        self::assertSame(['Anna', ''], [$this->rowsOf('lh_chat')[0]['nick'], $this->rowsOf('lh_chat')[0]['email']]);
    }

    public function testARollbackInsideMakesTheCommitOutsideFalse(): void
    {
        $db = ezcDbInstance::get();
        $db->beginTransaction();
        $this->chat();
        $db->beginTransaction();
        $db->rollback();
        self::assertFalse($db->commit());
        self::assertSame([], $this->rowsOf('lh_chat'));
    }

    public function testAListenerThatThrowsReachesWhoeverDispatched(): void
    {
        erLhcoreClassChatEventDispatcher::getInstance()->listen('chat.close', fn () => throw new DomainException('no'));
        $this->expectException(DomainException::class);
        erLhcoreClassChatHelper::closeChat(['chat' => $this->chat(), 'user' => false]);
    }

    public function testASecondProcessThatIsKilledLeavesNothingUncommitted(): void
    {
        $chat = $this->chat();
        $process = $this->secondProcess(<<<'PHP'
            $db = ezcDbInstance::get();
            $db->beginTransaction();
            $db->query("UPDATE lh_chat SET nick = 'Berta'");
            say('written');
            sleep(60);
            PHP);
        $process->waitFor('written');
        $process->kill();
        self::assertSame('Anna', erLhcoreClassModelChat::fetchAndLock($chat->id)->nick);
    }

    public function testASecondProcessHasItsInputAndItsErrors(): void
    {
        self::assertSame("é\n", $this->secondProcess('say($input["text"]);', ['text' => 'é'])->finish());
        $this->expectExceptionMessage('no such thing');
        $this->secondProcess('throw new Exception("no such thing");')->finish();
    }

    public function testTheTablesOfTheExtensionAreThere(): void
    {
        $this->settings(['tenant' => 'boots']);
        self::assertSame('boots', $this->database->value("SELECT value FROM lhc_xmppchat_setting WHERE name = 'tenant'"));
    }
}
