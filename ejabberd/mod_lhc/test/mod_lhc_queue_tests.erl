%%% The promises of the queue: the content of the disk after each kind of crash, what a reader gets, what is refused.
%%% Without eunit.hrl, which not every installation has. A failed match is a failed test.

-module(mod_lhc_queue_tests).

-export([order_test/0, acknowledged_test/0, restart_test/0, unacknowledged_test/0, torn_tail_test_/0, damaged_test/0,
         damaged_middle_test/0, damaged_header_test/0, empty_file_test/0, cursor_test/0, wiped_test/0, segments_test/0,
         purge_test/0, bytes_test/0, bound_test/0, bound_in_bytes_test/0, loss_test/0, crash_test/0, deadline_test/0, group_test/0,
         unusable_test/0, full_disk_test_/0, mode_test/0, down_test/0, first_test/0, share_test/0, share_loss_test/0,
         owner_test/0, tenants_test/0, secret_test_/0]).

-export([log/2]).

-define(TABLE, mod_lhc_queues_under_test).
-define(Q, {?TABLE, <<>>}).
%% The file layout is documented in mod_lhc_queue.erl.
-define(HEADER, 33).
-define(RECORD, 17).

order_test() ->
    with(fun(Dir) ->
        start(Dir),
        empty = mod_lhc_queue:fetch(?Q, 10, 1000),
        [ok = append(N) || N <- lists:seq(1, 5)],
        ok = mod_lhc_queue:add(?Q, state, text(6)),
        receive mod_lhc_queue_more -> ok after 1000 -> error(not_notified) end,
        ok = mod_lhc_queue:flush(?Q),
        {ok, Id, 1, 3, First} = mod_lhc_queue:fetch(?Q, 3, 1000),
        36 = byte_size(Id),
        First = [json(Id, N) || N <- [1, 2, 3]],
        %% The same entries until they are acknowledged.
        {ok, Id, 1, 3, First} = mod_lhc_queue:fetch(?Q, 3, 1000),
        ok = mod_lhc_queue:ack(?Q, 3),
        {ok, Id, 4, 6, Second} = mod_lhc_queue:fetch(?Q, 10, 1000),
        Second = [json(Id, N) || N <- [4, 5, 6]],
        ok = mod_lhc_queue:ack(?Q, 6),
        empty = mod_lhc_queue:fetch(?Q, 10, 1000)
    end).

%% An acknowledgement with another seq than the last one of fetch/3 is ignored.
acknowledged_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- [1, 2]],
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 1),
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 2),
        ok = mod_lhc_queue:ack(?Q, 2),
        #{entries := 0, bytes := 0, acked := 2, next := 3} = mod_lhc_queue:info(?Q)
    end).

restart_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- lists:seq(1, 5)],
        {ok, Id, 1, 2, _} = mod_lhc_queue:fetch(?Q, 2, 1000),
        ok = mod_lhc_queue:ack(?Q, 2),
        die(),
        start(Dir),
        #{entries := 3, next := 6} = mod_lhc_queue:info(?Q),
        {ok, Id, 3, 5, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = append(6),
        ok = mod_lhc_queue:ack(?Q, 5),
        {ok, Id, 6, 6, [Json]} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Json = json(Id, 6)
    end).

%% An entry is on disk when append/4 returns, even if the process is killed at once.
unacknowledged_test() ->
    with(fun(Dir) ->
        [begin
             start(Dir),
             ok = append(N),
             die()
         end || N <- lists:seq(1, 20)],
        start(Dir),
        {ok, _, 1, 20, _} = mod_lhc_queue:fetch(?Q, 100, 100000)
    end).

%% However much of the last record is on disk, the entries before it are kept, and its seq is not used again.
torn_tail_test_() ->
    {timeout, 30, fun() ->
        Size = ?RECORD + byte_size(json(<<0:288>>, 3)),
        [with(fun(Dir) ->
            start(Dir),
            [ok = append(N) || N <- [1, 2, 3]],
            die(),
            [File] = segments(Dir),
            truncate(File, filelib:file_size(File) - Cut),
            start(Dir),
            {ok, Id, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
            ok = append(4),
            ok = mod_lhc_queue:ack(?Q, 2),
            {ok, Id, Seq, Seq, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
            true = Seq >= 3,
            %% An entry written after the cut survives another restart.
            die(),
            start(Dir),
            {ok, Id, Seq, Seq, _} = mod_lhc_queue:fetch(?Q, 9, 1000)
        end) || Cut <- lists:seq(1, Size, 7)]
    end}.

%% The second of three entries is damaged: the first is kept, and the seqs of the others are not used again.
damaged_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- [1, 2, 3]],
        die(),
        [File] = segments(Dir),
        Size = (filelib:file_size(File) - ?HEADER) div 3,
        flip(File, ?HEADER + Size + ?RECORD + 5),
        start(Dir),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = append(4),
        ok = mod_lhc_queue:ack(?Q, 1),
        {ok, _, Seq, Seq, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        true = Seq > 3
    end).

%% Damage in an old segment does not lose the entries of later ones.
damaged_middle_test() ->
    with(fun(Dir) ->
        start(Dir, #{segment_bytes => 1}),
        [ok = append(N) || N <- [1, 2, 3]],
        die(),
        [_, Second, _] = segments(Dir),
        flip(Second, ?HEADER + ?RECORD + 5),
        start(Dir, #{segment_bytes => 1}),
        {ok, Id, 1, 3, Events} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Events = [json(Id, 1), json(Id, 3)]
    end).

damaged_header_test() ->
    with(fun(Dir) ->
        start(Dir, #{segment_bytes => 1}),
        [ok = append(N) || N <- [1, 2, 3]],
        #{id := Id} = mod_lhc_queue:info(?Q),
        die(),
        [First, _, _] = segments(Dir),
        flip(First, 20),
        start(Dir),
        {ok, Id, 2, 3, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        true = filelib:is_regular(First ++ ".bad"),
        #{next := Next} = mod_lhc_queue:info(?Q),
        true = Next > 3
    end).

%% A segment whose creation was not finished.
empty_file_test() ->
    with(fun(Dir) ->
        start(Dir),
        ok = append(1),
        #{id := Id} = mod_lhc_queue:info(?Q),
        die(),
        ok = file:write_file(filename:join(Dir, "00000000000000000002.seg"), <<"LHCQ">>),
        start(Dir),
        {ok, Id, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = append(2),
        [_] = segments(Dir)
    end).

%% Without a valid cursor the entries on disk appear again, with the same seqs.
cursor_test() ->
    with(fun(Dir) ->
        [begin
             start(Dir),
             [ok = append(N) || N <- [1, 2]],
             {ok, _, First, Last, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
             ok = mod_lhc_queue:ack(?Q, Last),
             die(),
             ok = file:write_file(filename:join(Dir, "cursor"), Content),
             start(Dir),
             {ok, _, 1, Last, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
             ok = mod_lhc_queue:ack(?Q, Last),
             true = Last > First,
             die()
         end || Content <- [<<>>, <<"torn">>, <<0:264>>]]
    end).

wiped_test() ->
    with(fun(Dir) ->
        start(Dir),
        ok = append(1),
        #{id := Old} = mod_lhc_queue:info(?Q),
        die(),
        [ok = file:delete(File) || File <- segments(Dir)],
        start(Dir),
        #{id := New, next := 1, entries := 0} = mod_lhc_queue:info(?Q),
        true = Old =/= New
    end).

segments_test() ->
    with(fun(Dir) ->
        start(Dir, #{segment_bytes => 500}),
        [ok = append(N) || N <- lists:seq(1, 30)],
        Many = length(segments(Dir)),
        true = Many > 3,
        {ok, _, 1, 10, _} = mod_lhc_queue:fetch(?Q, 10, 100000),
        ok = mod_lhc_queue:ack(?Q, 10),
        true = length(segments(Dir)) < Many,
        die(),
        start(Dir, #{segment_bytes => 500}),
        {ok, Id, 11, 30, Events} = mod_lhc_queue:fetch(?Q, 100, 100000),
        Events = [json(Id, N) || N <- lists:seq(11, 30)],
        ok = mod_lhc_queue:ack(?Q, 30),
        [_] = segments(Dir)
    end).

%% When the queue has been empty for a while, no entry is left on disk, and the seqs go on.
purge_test() ->
    with(fun(Dir) ->
        start(Dir, #{purge_after => 20}),
        ok = append(1),
        [Before] = segments(Dir),
        {ok, Id, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 1),
        %% The new segment is created before the old one is deleted.
        until(fun() -> case segments(Dir) of [Only] -> Only =/= Before; _ -> false end end),
        [After] = segments(Dir),
        ?HEADER = filelib:file_size(After),
        true = mod_lhc_queue:is_empty(Dir),
        die(),
        start(Dir),
        ok = append(2),
        {ok, Id, 2, 2, _} = mod_lhc_queue:fetch(?Q, 9, 1000)
    end).

%% fetch/3 is limited by size, but returns an entry that is longer alone.
bytes_test() ->
    with(fun(Dir) ->
        start(Dir),
        [ok = append(N) || N <- [1, 2, 3]],
        Size = byte_size(json(<<0:288>>, 1)),
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 9, 2 * Size),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 2 * Size - 1),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1)
    end).

%% Ephemeral entries may fill three quarters of the bound, and do not count against messages.
bound_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_entries => 8}),
        [mod_lhc_queue:add(?Q, ephemeral, text(N)) || N <- lists:seq(1, 20)],
        mod_lhc_queue:flush(?Q),
        #{entries := 6} = mod_lhc_queue:info(?Q),
        Answers = [append(N) || N <- lists:seq(1, 10)],
        {[ok, ok, ok, ok, ok, ok, ok, ok], [{error, full}, {error, full}]} = lists:split(8, Answers),
        [mod_lhc_queue:add(?Q, state, text(N)) || N <- lists:seq(1, 10)],
        mod_lhc_queue:flush(?Q),
        #{entries := 16} = mod_lhc_queue:info(?Q),
        %% The counts are the same after a restart, and acknowledged entries make room.
        die(),
        start(Dir, #{max_entries => 8}),
        #{entries := 16} = mod_lhc_queue:info(?Q),
        {error, full} = append(11),
        {ok, _, 1, 9, _} = mod_lhc_queue:fetch(?Q, 9, 100000),
        ok = mod_lhc_queue:ack(?Q, 9),
        ok = append(12)
    end).

bound_in_bytes_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_bytes => 1000}),
        ok = append(1, binary:copy(<<"x">>, 990)),
        {error, full} = append(2),
        {ok, _, 1, 1, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 1),
        ok = append(3)
    end).

%% A loss of state entries is reported once, when there is room again.
loss_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_entries => 4}),
        [mod_lhc_queue:add(?Q, state, text(N)) || N <- lists:seq(1, 9)],
        mod_lhc_queue:flush(?Q),
        {ok, _, 1, 2, _} = mod_lhc_queue:fetch(?Q, 2, 1000),
        ok = mod_lhc_queue:ack(?Q, 2),
        receive lost -> error(too_early) after 50 -> ok end,
        {ok, _, 3, 5, _} = mod_lhc_queue:fetch(?Q, 9, 1000),
        ok = mod_lhc_queue:ack(?Q, 5),
        receive lost -> ok after 1000 -> error(not_notified) end,
        ok = append(1),
        receive lost -> error(reported_twice) after 50 -> ok end
    end).

%% A crash loses the mailbox and is reported. An orderly end loses nothing.
crash_test() ->
    with(fun(Dir) ->
        start(Dir),
        stop(),
        start(Dir),
        receive lost -> error(reported_without_loss) after 50 -> ok end,
        die(),
        start(Dir),
        receive lost -> ok after 1000 -> error(not_notified) end
    end).

%% An entry whose append/4 returned timeout is never written.
deadline_test() ->
    with(fun(Dir) ->
        start(Dir),
        sys:suspend(pid()),
        {error, timeout} = mod_lhc_queue:append(?Q, message, text(1), 1),
        sys:resume(pid()),
        ok = append(2),
        {ok, Id, 1, 1, [Json]} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Json = json(Id, 1, text(2))
    end).

%% Entries that wait at the same time share a sync, and every caller gets an answer.
group_test() ->
    with(fun(Dir) ->
        start(Dir),
        Self = self(),
        sys:suspend(pid()),
        [spawn(fun() -> Self ! {answer, append(N)} end) || N <- lists:seq(1, 1000)],
        until(fun() -> element(2, process_info(pid(), message_queue_len)) >= 1000 end),
        sys:resume(pid()),
        [receive {answer, ok} -> ok after 5000 -> error(no_answer) end || _ <- lists:seq(1, 1000)],
        {ok, _, 1, 1000, _} = mod_lhc_queue:fetch(?Q, 2000, 1000000)
    end).

%% Without a usable folder messages are refused, until there is one.
unusable_test() ->
    with(fun(Dir) ->
        ok = filelib:ensure_dir(Dir),
        _ = file:del_dir(Dir),
        ok = file:write_file(Dir, <<"a file is in the way">>),
        start(Dir),
        {error, full} = append(1),
        ok = file:delete(Dir),
        until(fun() -> append(2) =:= ok end),
        receive lost -> ok after 1000 -> error(not_notified) end,
        {ok, _, _, _, _} = mod_lhc_queue:fetch(?Q, 9, 1000)
    end).

%% A full disk. Needs root to mount a file system, and is skipped otherwise.
full_disk_test_() ->
    {timeout, 30, fun() ->
        with(fun(Dir) ->
            ok = filelib:ensure_dir(filename:join(Dir, "x")),
            case os:cmd("mount -t tmpfs -o size=64k tmpfs " ++ Dir ++ " && echo -n mounted") of
                "mounted" ->
                    try full_disk(filename:join(Dir, "spool"))
                    after
                        stop(),
                        os:cmd("umount " ++ Dir)
                    end;
                _ -> ok
            end
        end)
    end}.

full_disk(Dir) ->
    start(Dir),
    Text = binary:copy(<<"x">>, 5000),
    Answers = [append(N, Text) || N <- lists:seq(1, 30)],
    Accepted = length([ok || ok <- Answers]),
    true = Accepted > 5 andalso Accepted < 30,
    %% All accepted entries are there and no refused one. When there is room again, further entries are accepted.
    {ok, _, 1, Accepted, Events} = mod_lhc_queue:fetch(?Q, 100, 1000000),
    Accepted = length(Events),
    ok = mod_lhc_queue:ack(?Q, Accepted),
    until(fun() -> append(31, <<"small">>) =:= ok end),
    {ok, Id, Seq, _, [Json | _]} = mod_lhc_queue:fetch(?Q, 100, 1000000),
    Json = json(Id, Seq, member(31, <<"small">>)).

%% Only the user of ejabberd can read the files, which contain messages.
mode_test() ->
    with(fun(Dir) ->
        start(Dir),
        ok = append(1),
        [File] = segments(Dir),
        8#600 = mode(File),
        false = mod_lhc_queue:is_empty(Dir),
        8#700 = mode(Dir)
    end).

down_test() ->
    [begin
         {error, down} = mod_lhc_queue:append(Queue, message, text(1), 100),
         ok = mod_lhc_queue:add(Queue, state, text(1))
     end || Queue <- [{mod_lhc_no_such_table, <<>>}, {?TABLE, <<"no such queue">>}]].

%% The first entry after a start, and not after a crash.
first_test() ->
    with(fun(Dir) ->
        First = #{first => fun() -> member(0, <<"started">>) end},
        start(Dir, First),
        ok = append(1),
        {ok, Id, 1, 2, [Json | _]} = mod_lhc_queue:fetch(?Q, 9, 1000),
        Json = json(Id, 1, member(0, <<"started">>)),
        die(),
        start(Dir, First),
        #{entries := 2} = mod_lhc_queue:info(?Q),
        receive lost -> ok after 1000 -> error(not_notified) end,
        stop(),
        start(Dir, First),
        #{entries := 3} = mod_lhc_queue:info(?Q)
    end).

%% One operator fills their share; others, and what is about nobody, still fit. The same after a restart.
share_test() ->
    with(fun(Dir) ->
        Options = #{max_entries => 40, max_operator_share => 25},
        start(Dir, Options),
        Greedy = fun() -> [mod_lhc_queue:append(?Q, message, about(<<"from">>, <<"olga">>), 1000) || _ <- lists:seq(1, 12)] end,
        {Oks, [{error, share}, {error, share}]} = lists:split(10, Greedy()),
        Oks = lists:duplicate(10, ok),
        die(),
        start(Dir, Options),
        [{error, share} = Answer || Answer <- Greedy()],
        [ok = mod_lhc_queue:append(?Q, message, about(<<"from">>, <<"pia">>), 1000) || _ <- lists:seq(1, 10)],
        ok = append(1),
        {ok, _, 1, 4, _} = mod_lhc_queue:fetch(?Q, 4, 100000),
        ok = mod_lhc_queue:ack(?Q, 4),
        {[ok, ok, ok, ok], [{error, share} | _]} = lists:split(4, Greedy()),
        {ok, _, 5, Last, _} = mod_lhc_queue:fetch(?Q, 100, 100000),
        ok = mod_lhc_queue:ack(?Q, Last),
        #{entries := 0} = mod_lhc_queue:info(?Q),
        ok = mod_lhc_queue:append(?Q, message, about(<<"from">>, <<"olga">>), 1000)
    end).

%% State entries beyond a share are lost. That is not reported before the operator has room again: the reports that follow
%% would be lost as well.
share_loss_test() ->
    with(fun(Dir) ->
        start(Dir, #{max_entries => 40, max_operator_share => 25}),
        [mod_lhc_queue:add(?Q, state, about(<<"user">>, <<"olga">>)) || _ <- lists:seq(1, 20)],
        mod_lhc_queue:flush(?Q),
        #{entries := 13} = mod_lhc_queue:info(?Q),
        receive lost -> error(too_early) after 50 -> ok end,
        {ok, _, 1, 9, _} = mod_lhc_queue:fetch(?Q, 9, 100000),
        ok = mod_lhc_queue:ack(?Q, 9),
        receive lost -> ok after 1000 -> error(not_notified) end
    end).

owner_test() ->
    Common = <<"\"at\":\"2026\",\"host\":\"h\",\"type\":\"t\"">>,
    [Owner = mod_lhc_queue:owner(<<Common/binary, Rest/binary>>)
     || {Owner, Rest} <- [{<<"olga.acme">>, <<",\"user\":\"olga.acme\",\"resource\":\"x\"">>},
                          {<<"olga">>, <<",\"from\":\"olga@h/r\",\"to\":\"v\",\"body\":{\"\":\",\\\"user\\\":\\\"pia\"}">>},
                          {none, <<",\"version\":\"1\"">>}]].

%% A tenant keeps its part of the bound when another one has filled what it may use.
tenants_test() ->
    with(fun(Dir) ->
        Counters = mod_lhc_usage:new(4),
        [_ = mod_lhc_usage:slot(Counters, N) || N <- lists:seq(1, 4)],
        start(Dir, #{max_entries => 80, usage => mod_lhc_usage:slot(Counters, 2)}),
        20 = length([ok || ok <- [append(N) || N <- lists:seq(1, 30)]]),
        %% Others have more than half.
        ok = mod_lhc_usage:set(mod_lhc_usage:slot(Counters, 3), 60, 0),
        {error, full} = append(31),
        {ok, _, 1, 11, _} = mod_lhc_queue:fetch(?Q, 11, 100000),
        ok = mod_lhc_queue:ack(?Q, 11),
        [ok, {error, full}] = [append(N) || N <- [32, 33]]
    end).

%% Whatever ends the process, no text of an entry gets into a log: not from its mailbox, its waiting entries, its last
%% message or the reason.
secret_test_() ->
    {timeout, 30, fun() ->
        Level = maps:get(level, logger:get_primary_config()),
        Self = self(),
        ok = logger:set_handler_config(default, level, none),
        ok = logger:set_primary_config(level, all),
        ok = logger:add_handler(?MODULE, ?MODULE, #{config => Self, level => all}),
        try
            [with(fun(Dir) ->
                 Pid = start(Dir),
                 sys:suspend(Pid),
                 [mod_lhc_queue:add(?Q, message, member(N, <<"S3CRET">>)) || N <- [1, 2]],
                 Ref = monitor(process, Pid),
                 Last(Pid),
                 [mod_lhc_queue:add(?Q, message, member(N, <<"S3CRET">>)) || N <- After],
                 try sys:resume(Pid) catch exit:_ -> ok end,
                 receive {'DOWN', Ref, _, _, Why} -> nomatch = string:find(io_lib:format("~p", [Why]), "S3CRET")
                 after 5000 -> error(alive)
                 end
             end) || {Last, After} <-
                     [{fun(Pid) -> gen_server:cast(Pid, {add, message, {<<"S3CRET">>}}) end, [3, 4]},
                      {fun(Pid) -> gen_server:cast(Pid, {unknown, <<"S3CRET">>}) end, [3, 4]},
                      {fun(Pid) -> Pid ! commit, exit(Pid, kill) end, [3, 4]},
                      {fun(Pid) ->
                           sys:replace_state(Pid, fun(State) -> setelement(2, State, <<"S3CRET">>) end)
                       end, [3, 4]},
                      %% With OTP's reports. What comes later than the end is not covered.
                      {fun(Pid) -> sys:terminate(Pid, unusual) end, []}]],
            timer:sleep(50),
            Logged = logged(),
            true = Logged =/= [],
            [] = [Text || Text <- Logged, string:find(Text, "S3CRET") =/= nomatch]
        after
            logger:remove_handler(?MODULE),
            logger:set_primary_config(level, Level)
        end
    end}.

%% A handler of logger.
log(#{meta := #{pid := _}} = Event, #{config := Pid}) ->
    Text = unicode:characters_to_list(logger_formatter:format(Event, #{single_line => false, chars_limit => unlimited})),
    %% The arguments of the event too, in case a formatter shortens them.
    Pid ! {logged, Text ++ lists:flatten(io_lib:format("~0p", [maps:get(msg, Event)]))}.

logged() ->
    receive {logged, Text} -> [Text | logged()] after 0 -> [] end.

%%% ---------------------------------------------------------------- support

about(Field, User) ->
    iolist_to_binary([",\"", Field, "\":\"", User, "@host\""]).

with(Test) ->
    Dir = filename:join(os:getenv("TMPDIR", "/tmp"),
                        "mod_lhc_queue_" ++ integer_to_list(erlang:unique_integer([positive])) ++ "_" ++ os:getpid()),
    flush_mailbox(),
    ?TABLE = ets:new(?TABLE, [named_table, public]),
    try Test(Dir)
    after
        stop(),
        ets:delete(?TABLE),
        file:del_dir_r(Dir)
    end.

%% eunit runs all tests of a module in one process.
flush_mailbox() ->
    receive _ -> flush_mailbox() after 0 -> ok end.

start(Dir) ->
    start(Dir, #{}).

start(Dir, Options) ->
    Self = self(),
    Config = #{dir => Dir, max_entries => 100000, max_bytes => 100000000, max_operator_share => 100,
               usage => mod_lhc_usage:slot(mod_lhc_usage:new(2), 1),
               on_loss => fun() -> Self ! lost end},
    {ok, Pid} = mod_lhc_queue:start_link(?Q, maps:merge(Config, Options)),
    unlink(Pid),
    Pid.

pid() ->
    [{_, Pid, _}] = ets:lookup(?TABLE, <<>>),
    Pid.

%% Without terminate/2, like a kill -9.
die() ->
    exit_queue(kill).

stop() ->
    exit_queue(shutdown).

exit_queue(Reason) ->
    case ets:lookup(?TABLE, <<>>) of
        [] -> ok;
        [{_, Pid, _}] ->
            Ref = monitor(process, Pid),
            exit(Pid, Reason),
            receive {'DOWN', Ref, _, _, _} -> ok after 5000 -> error(stuck) end
    end.

append(N) ->
    mod_lhc_queue:append(?Q, message, text(N), 1000).

append(N, Text) ->
    mod_lhc_queue:append(?Q, message, member(N, Text), 1000).

text(N) ->
    member(N, <<"text">>).

member(N, Text) ->
    iolist_to_binary(["\"n\":", integer_to_list(N), ",\"text\":\"", Text, $"]).

json(Id, N) ->
    json(Id, N, text(N)).

json(Id, Seq, Members) ->
    iolist_to_binary(["{\"queueId\":\"", Id, "\",\"seq\":", integer_to_list(Seq), $,, Members, $}]).

segments(Dir) ->
    [filename:join(Dir, Name) || Name <- lists:sort(filelib:wildcard("*.seg", Dir))].

truncate(File, Size) ->
    {ok, Fd} = file:open(File, [read, write, raw]),
    {ok, Size} = file:position(Fd, Size),
    ok = file:truncate(Fd),
    ok = file:close(Fd).

flip(File, At) ->
    {ok, <<Before:At/binary, Byte, After/binary>>} = file:read_file(File),
    ok = file:write_file(File, <<Before/binary, (Byte bxor 1), After/binary>>).

mode(File) ->
    {ok, Info} = file:read_file_info(File),
    element(8, Info) band 8#777.

until(Condition) ->
    until(Condition, 300).

until(_, 0) ->
    error(timeout);
until(Condition, Left) ->
    Condition() orelse begin timer:sleep(20), until(Condition, Left - 1) end.
