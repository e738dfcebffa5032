<?php

declare(strict_types=1);

namespace XmppChat\Lhc\Incoming;

/** An object of a callback's JSON. Each read says which field is wrong, and how. */
final class Fields
{
    /** @param array<array-key, mixed> $values */
    private function __construct(private readonly array $values, private readonly string $path)
    {
    }

    /**
     * @throws Malformed if the text is no JSON object
     */
    public static function parse(string $json): self
    {
        try {
            // Numbers that PHP cannot hold stay texts, so they are found to be no numbers.
            $values = json_decode($json, true, 16, JSON_BIGINT_AS_STRING | JSON_THROW_ON_ERROR);
        } catch (\JsonException $failure) {
            throw new Malformed('body', 'is no JSON: ' . $failure->getMessage());
        }
        return self::from($values, 'body', '');
    }

    /**
     * @param int $maxBytes of the text at most
     * @throws Malformed if it is missing, empty, too long, or no text
     */
    public function text(string $name, int $maxBytes): string
    {
        $value = $this->values[$name] ?? null;
        if (!is_string($value)) {
            throw new Malformed($this->path . $name, 'must be a text');
        }
        if ($value === '') {
            throw new Malformed($this->path . $name, 'is empty');
        }
        if (strlen($value) > $maxBytes) {
            throw new Malformed($this->path . $name, "has more than {$maxBytes} bytes");
        }
        return $value;
    }

    /** As `text`; null if it is missing or null. */
    public function optionalText(string $name, int $maxBytes): ?string
    {
        return ($this->values[$name] ?? null) === null ? null : $this->text($name, $maxBytes);
    }

    /**
     * @return list<string>
     * @throws Malformed if it is missing, no list of texts, or too long
     */
    public function texts(string $name, int $most, int $maxBytes): array
    {
        $values = $this->values[$name] ?? null;
        if (!is_array($values) || !array_is_list($values) || count($values) > $most) {
            throw new Malformed($this->path . $name, "must be a list of at most {$most} texts");
        }
        foreach ($values as $value) {
            if (!is_string($value) || $value === '' || strlen($value) > $maxBytes) {
                throw new Malformed($this->path . $name, "must have texts of 1 to {$maxBytes} bytes");
            }
        }
        return $values;
    }

    /**
     * @return ?int null if it is null
     * @throws Malformed if it is missing, or no whole number above 0
     */
    public function idOrNull(string $name): ?int
    {
        if (!array_key_exists($name, $this->values)) {
            throw new Malformed($this->path . $name, 'is missing');
        }
        $value = $this->values[$name];
        if ($value !== null && (!is_int($value) || $value < 1)) {
            throw new Malformed($this->path . $name, 'must be a whole number above 0, or null');
        }
        return $value;
    }

    /** @throws Malformed if it is missing, or no object */
    public function object(string $name): self
    {
        return self::from($this->values[$name] ?? null, $this->path . $name, $this->path . $name . '.');
    }

    /** As `object`; null if it is null or missing. */
    public function optionalObject(string $name): ?self
    {
        return ($this->values[$name] ?? null) === null ? null : $this->object($name);
    }

    /**
     * @return int 0 or more
     * @throws Malformed if it is missing, or no such number
     */
    public function count(string $name): int
    {
        $value = $this->values[$name] ?? null;
        if (!is_int($value) || $value < 0) {
            throw new Malformed($this->path . $name, 'must be a whole number, 0 or more');
        }
        return $value;
    }

    /**
     * @return list<self> none if it is null or missing
     * @throws Malformed if it is no list of objects, or a longer one
     */
    public function objects(string $name, int $most): array
    {
        $values = $this->values[$name] ?? [];
        if (!is_array($values) || !array_is_list($values) || count($values) > $most) {
            throw new Malformed($this->path . $name, "must be a list of at most {$most}");
        }
        $field = $this->path . $name;
        return array_map(fn (mixed $value): self => self::from($value, $field, "{$field}."), $values);
    }

    private static function from(mixed $values, string $field, string $path): self
    {
        if (!is_array($values) || ($values !== [] && array_is_list($values))) {
            throw new Malformed($field, 'must be an object');
        }
        return new self($values, $path);
    }
}
