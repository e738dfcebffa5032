<?php

declare(strict_types=1);

use XmppChat\Lhc\Admin\Words;
use XmppChat\Lhc\Test\TestCase;

/** The words of the back office, and that each is in the translations. */
final class WordsTest extends TestCase
{
    private const FOLDER = __DIR__ . '/../../../xmppchat';

    /** @return list<string> the texts that classes and templates ask for */
    private static function used(): array
    {
        $texts = [];
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator(self::FOLDER, FilesystemIterator::SKIP_DOTS));
        foreach ($files as $file) {
            if ($file->getExtension() === 'php') {
                preg_match_all("/(?:Words::t|\\\$t)\\(\\s*'((?:[^'\\\\]|\\\\.)*)'/", (string) file_get_contents((string) $file), $found);
                array_push($texts, ...array_map('stripslashes', $found[1]));
            }
        }
        $texts = array_values(array_unique($texts));
        sort($texts);
        return $texts;
    }

    /** @return array<string, string> translations by English text */
    private static function translations(string $language): array
    {
        $document = new SimpleXMLElement((string) file_get_contents(self::FOLDER . "/translations/{$language}/translation.ts"));
        self::assertSame([Words::CONTEXT], array_map('strval', $document->xpath('/TS/context/name')));
        $pairs = [];
        foreach ($document->context->message as $message) {
            $pairs[(string) $message->source] = (string) $message->translation;
        }
        return $pairs;
    }

    /** @return list<string> */
    private static function markers(string $text): array
    {
        preg_match_all('/\{[a-z]+\}/', $text, $found);
        sort($found[0]);
        return $found[0];
    }

    public function testEachTextIsTranslatedAndNoOther(): void
    {
        self::assertGreaterThan(100, count(self::used()));
        foreach (['en_EN', 'de_DE'] as $language) {
            $pairs = self::translations($language);
            $known = array_keys($pairs);
            sort($known);
            self::assertSame(self::used(), $known, $language);
            foreach ($pairs as $english => $translated) {
                self::assertNotSame('', $translated, $english);
                self::assertSame(self::markers($english), self::markers($translated), $english);
                // LHC's library cannot replace these in a translated text: then the English one is shown.
                self::assertDoesNotMatchRegularExpression('/%[A-Za-z1-9]/', $translated);
            }
        }
    }

    /** LHC removes the space between two tags when it compiles a template. */
    public function testTemplatesNeedNoSpaceBetweenTags(): void
    {
        $files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator(self::FOLDER . '/design', FilesystemIterator::SKIP_DOTS));
        foreach ($files as $file) {
            self::assertStringNotContainsString('> <', (string) file_get_contents((string) $file), (string) $file);
        }
    }

    public function testPutsValuesInAndDoesNotEscape(): void
    {
        self::assertSame('The page cannot be read: <b>', Words::t('The page cannot be read: {reason}', ['reason' => '<b>']));
        self::assertSame('1 {count}', Words::t('{a} {count}', ['a' => 1]));
        self::assertSame('Press "Install or update the tables" in the settings.', Words::t('Press "Install or update the tables" in the settings.'));
        self::assertTrue(erTranslationClassLhTranslation::$htmlEscape);
        self::assertSame('&lt;&quot;&#039;', Words::escape('<"\''));
    }
}
