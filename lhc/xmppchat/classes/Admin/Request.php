<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Admin;

/** One request to a page of the back office. */
final class Request
{
    /** Bytes of one field that are read at most. */
    private const FIELD_MAX = 4_096;

    /**
     * @param array<mixed> $fields as they were posted
     * @param array<string, mixed> $parameters of the address, as LHC parsed them
     */
    public function __construct(
        public readonly bool $isPost,
        private readonly array $fields = [],
        private readonly array $parameters = [],
    ) {
    }

    /** @param array<string, mixed> $params LHC's `$Params` of a view */
    public static function current(array $params): self
    {
        return new self(
            ($_SERVER['REQUEST_METHOD'] ?? 'GET') === 'POST',
            $_POST,
            ($params['user_parameters'] ?? []) + ($params['user_parameters_unordered'] ?? []),
        );
    }

    /** A posted text without white space at its ends; empty if it is missing, no text, too long or no UTF-8. */
    public function text(string $name): string
    {
        $value = $this->fields[$name] ?? '';
        return is_string($value) && strlen($value) <= self::FIELD_MAX && mb_check_encoding($value, 'UTF-8') ? trim($value) : '';
    }

    /** Whether the form had this field. */
    public function has(string $name): bool
    {
        return $this->isPost && isset($this->fields[$name]);
    }

    /** As text(), but with the white space: a password may begin with a space. */
    public function secret(string $name): string
    {
        $value = $this->fields[$name] ?? '';
        return is_string($value) && strlen($value) <= self::FIELD_MAX ? $value : '';
    }

    public function isOn(string $name): bool
    {
        return $this->text($name) === '1';
    }

    /** What the pressed button asks for. */
    public function action(): string
    {
        return $this->isPost ? $this->text('action') : '';
    }

    /** A part of the address; empty if it is missing. */
    public function parameter(string $name): string
    {
        $value = $this->parameters[$name] ?? '';
        return is_scalar($value) ? (string) $value : '';
    }

    /** A whole number from a part of the address or a field; 0 if it is none. */
    public function number(string $name): int
    {
        $value = $this->text($name) !== '' ? $this->text($name) : $this->parameter($name);
        return preg_match('/^\d{1,18}$/', $value) === 1 ? (int) $value : 0;
    }
}
