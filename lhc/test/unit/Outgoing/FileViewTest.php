<?php

declare(strict_types=1);

use XmppChat\Lhc\Outgoing\FileView;
use XmppChat\Lhc\Test\Sending;

/** Where a link to a visitor's file leads. */
final class FileViewTest extends Sending
{
    private erLhcoreClassModelChatFile $file;

    protected function setUp(): void
    {
        parent::setUp();
        erConfigClassLhConfig::getInstance()->setSetting('site', 'secrethash', 'of the tests');
        $this->file = new erLhcoreClassModelChatFile();
        $fields = ['name' => 'stored', 'upload_name' => 'photo.png', 'type' => 'image/png', 'extension' => 'png', 'chat_id' => 7, 'date' => time(), 'size' => 1, 'file_path' => '', 'user_id' => 0, 'online_user_id' => 0];
        foreach ($fields as $name => $value) {
            $this->file->$name = $value;
        }
        $this->file->saveThis();
    }

    /** @param array<string, string> $changed parts of the link with another value */
    private function leadsTo(array $changed = []): ?string
    {
        $link = $this->extension->fileLinks()->of((int) $this->file->id, $this->file->security_hash, $this->file->date);
        $parts = array_combine(['file_id', 'hash', 'until', 'signature'], array_slice(explode('/', $link), -4));
        return FileView::addressOf($this->extension, $changed + $parts);
    }

    public function testItLeadsToAFreshLinkOfLhcs(): void
    {
        $address = (string) $this->leadsTo();
        $hash = $this->file->security_hash;
        self::assertMatchesRegularExpression("#/file/downloadfile/{$this->file->id}/{$hash}/\(vhash\)/[0-9a-f]{40}/\(vts\)/\d+$#", $address);
        [, $proof, , $time] = [null, ...array_slice(explode('/', $address), -3)];
        self::assertSame(sha1("{$this->file->id}_{$this->file->hash}_{$time}_of the tests"), $proof);
        self::assertEqualsWithDelta(time(), (int) $time, 60);
    }

    public function testAnyOtherLinkLeadsNowhere(): void
    {
        foreach ([['file_id' => (string) ($this->file->id + 1)], ['file_id' => '1 OR 1'], ['hash' => md5('x')], ['until' => '99999999999'], ['until' => '-1'], ['signature' => ''], ['signature' => str_repeat('0', 40)]] as $changed) {
            self::assertNull($this->leadsTo($changed), json_encode($changed));
        }
        $this->aheadMs = 31 * 86_400_000;
        self::assertNull($this->leadsTo(), 'it has ended');
    }

    public function testWithoutTheFileOrASecretOrTheExtensionItLeadsNowhere(): void
    {
        $this->settings(['callbackSecret' => '']);
        $this->newRequest();
        self::assertNull($this->leadsTo(), 'a signature with an empty key proves nothing');
        $this->settings(['enabled' => false]);
        $this->newRequest();
        self::assertNull($this->leadsTo());
        $this->settings();
        $this->newRequest();
        $this->database->run('DELETE FROM lh_chat_file');
        self::assertNull($this->leadsTo());
    }
}
