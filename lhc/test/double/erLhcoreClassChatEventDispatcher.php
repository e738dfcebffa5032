<?php

declare(strict_types=1);

/**
 * LHC's dispatcher (lib/core/lhchat/lhchateventdispatcher.php): listeners get one array; what they throw reaches whoever
 * dispatched; only an answer with the status STOP_WORKFLOW stops the others.
 */
final class erLhcoreClassChatEventDispatcher
{
    public const STOP_WORKFLOW = 1;

    private static ?self $instance = null;

    /** @var array<string, list<callable>> */
    private array $listeners = [];
    /** @var list<array{callable, array<mixed>}> */
    private array $finishListeners = [];

    public static function getInstance()
    {
        return self::$instance ??= new self();
    }

    public function listen($event, $callback)
    {
        $this->listeners[$event][] = $callback;
    }

    public function dispatch($event, $param = [])
    {
        if (!isset($this->listeners[$event])) {
            return false;
        }
        $param['lhc_caller'] = debug_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS, 2)[1] ?? [];
        $param['lhc_event'] = $event;
        foreach ($this->listeners[$event] as $listener) {
            $answer = call_user_func_array($listener, [$param]);
            if (isset($answer['status']) && $answer['status'] === self::STOP_WORKFLOW) {
                return $answer;
            }
        }
        return false;
    }

    public function addFinishRequestEvent($callback, $arguments = [])
    {
        $this->finishListeners[] = [$callback, $arguments];
    }

    public function executeFinishRequest()
    {
        foreach ($this->finishListeners as [$callback, $arguments]) {
            call_user_func($callback, $arguments);
        }
    }
}
