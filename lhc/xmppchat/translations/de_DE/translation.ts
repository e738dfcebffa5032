<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.0" language="de">
  <context>
    <name>xmppchat/admin</name>
    <message>
      <source>A callback of the service arrived here, and its signature is right.</source>
      <translation>Ein Callback des Dienstes kam hier an, und seine Signatur stimmt.</translation>
    </message>
    <message>
      <source>A new callback secret is saved. Callbacks are refused until the service has it too: run the request below.</source>
      <translation>Ein neues Callback-Geheimnis ist gespeichert. Callbacks werden abgelehnt, bis der Dienst es auch hat: Führen Sie die Anfrage unten aus.</translation>
    </message>
    <message>
      <source>A page of the web site with the LHC widget, to look at its embed code (may be empty)</source>
      <translation>Eine Seite der Website mit dem LHC-Widget, um den Einbettungscode zu prüfen (darf leer sein)</translation>
    </message>
    <message>
      <source>API key</source>
      <translation>API-Schlüssel</translation>
    </message>
    <message>
      <source>Add this line to the crontab of the user of the web server: {line}</source>
      <translation>Tragen Sie diese Zeile in die Crontab des Benutzers des Webservers ein: {line}</translation>
    </message>
    <message>
      <source>Address</source>
      <translation>Adresse</translation>
    </message>
    <message>
      <source>Address of the service</source>
      <translation>Adresse des Dienstes</translation>
    </message>
    <message>
      <source>Address of this LHC</source>
      <translation>Adresse dieses LHC</translation>
    </message>
    <message>
      <source>Address, tenant, key and secret are kept by the manager of this hosting. Tenant: {tenant}</source>
      <translation>Adresse, Mandant, Schlüssel und Geheimnis verwaltet der Manager dieses Hostings. Mandant: {tenant}</translation>
    </message>
    <message>
      <source>Admin token</source>
      <translation>Admin-Token</translation>
    </message>
    <message>
      <source>Another program answers at this address (HTTP {status}).</source>
      <translation>Unter dieser Adresse antwortet ein anderes Programm (HTTP {status}).</translation>
    </message>
    <message>
      <source>Another user of this LHC has this username already.</source>
      <translation>Ein anderer Benutzer dieses LHC hat diesen Benutzernamen schon.</translation>
    </message>
    <message>
      <source>Automated hosting</source>
      <translation>Automatisches Hosting</translation>
    </message>
    <message>
      <source>Beginning of tenants</source>
      <translation>Anfang der Mandanten</translation>
    </message>
    <message>
      <source>Callback address</source>
      <translation>Callback-Adresse</translation>
    </message>
    <message>
      <source>Callback address of this LHC:</source>
      <translation>Callback-Adresse dieses LHC:</translation>
    </message>
    <message>
      <source>Callback secret</source>
      <translation>Callback-Geheimnis</translation>
    </message>
    <message>
      <source>Callbacks arrive, but their signature is refused: {reason}</source>
      <translation>Callbacks kommen an, aber ihre Signatur wird abgelehnt: {reason}</translation>
    </message>
    <message>
      <source>Callbacks wait at the service: {reason}</source>
      <translation>Callbacks warten beim Dienst: {reason}</translation>
    </message>
    <message>
      <source>Changes that the service refused: {count}</source>
      <translation>Änderungen, die der Dienst abgelehnt hat: {count}</translation>
    </message>
    <message>
      <source>Changes that wait for the service: {count}, the oldest for {minutes} minutes</source>
      <translation>Änderungen, die auf den Dienst warten: {count}, die älteste seit {minutes} Minuten</translation>
    </message>
    <message>
      <source>Chat</source>
      <translation>Chat</translation>
    </message>
    <message>
      <source>Chats</source>
      <translation>Chats</translation>
    </message>
    <message>
      <source>Chats that nobody has answered</source>
      <translation>Chats, auf die niemand geantwortet hat</translation>
    </message>
    <message>
      <source>Clients</source>
      <translation>Clients</translation>
    </message>
    <message>
      <source>Connection test</source>
      <translation>Verbindungstest</translation>
    </message>
    <message>
      <source>Correct it in the settings.</source>
      <translation>Berichtigen Sie sie in den Einstellungen.</translation>
    </message>
    <message>
      <source>Correct the address, or the proxy before the service: xmpp-chat answers at /readyz below it.</source>
      <translation>Berichtigen Sie die Adresse oder den Proxy vor dem Dienst: xmpp-chat antwortet darunter auf /readyz.</translation>
    </message>
    <message>
      <source>Correct the host, or the name servers of this machine.</source>
      <translation>Berichtigen Sie den Host oder die Nameserver dieses Rechners.</translation>
    </message>
    <message>
      <source>Country</source>
      <translation>Land</translation>
    </message>
    <message>
      <source>Department</source>
      <translation>Abteilung</translation>
    </message>
    <message>
      <source>Departments</source>
      <translation>Abteilungen</translation>
    </message>
    <message>
      <source>Departments (from LHC, told to the service within a minute):</source>
      <translation>Abteilungen (aus LHC, der Dienst erfährt sie innerhalb einer Minute):</translation>
    </message>
    <message>
      <source>Does a firewall drop the packets? Does DNS answer? Is the service overloaded?</source>
      <translation>Verwirft eine Firewall die Pakete? Antwortet DNS? Ist der Dienst überlastet?</translation>
    </message>
    <message>
      <source>Drop</source>
      <translation>Verwerfen</translation>
    </message>
    <message>
      <source>Drop all that failed</source>
      <translation>Alles Fehlgeschlagene verwerfen</translation>
    </message>
    <message>
      <source>Drop all that failed?</source>
      <translation>Alles Fehlgeschlagene verwerfen?</translation>
    </message>
    <message>
      <source>Dropped: {count}</source>
      <translation>Verworfen: {count}</translation>
    </message>
    <message>
      <source>Each instance gets a tenant of its own at the service, and the tenant goes with its instance. The admin token stays here: no instance has it.</source>
      <translation>Jede Instanz bekommt einen eigenen Mandanten im Dienst, und der Mandant geht mit seiner Instanz. Das Admin-Token bleibt hier: Keine Instanz hat es.</translation>
    </message>
    <message>
      <source>Further settings of all tenants</source>
      <translation>Weitere Einstellungen aller Mandanten</translation>
    </message>
    <message>
      <source>Generate the embed code again with "Check for operator invitation messages" ticked, or add check_messages:true to LHC_API.args. With the Node helper it is not needed.</source>
      <translation>Erzeugen Sie den Einbettungscode neu und wählen Sie dabei die Prüfung auf Einladungen von Bedienern, oder ergänzen Sie check_messages:true in LHC_API.args. Mit dem Node-Helper ist es nicht nötig.</translation>
    </message>
    <message>
      <source>If a script such as a tag manager puts it in, look there for check_messages:true.</source>
      <translation>Wenn ein Skript wie ein Tag-Manager ihn einfügt, suchen Sie dort nach check_messages:true.</translation>
    </message>
    <message>
      <source>if the service has typingPreview on; visitors have to be told</source>
      <translation>wenn im Dienst typingPreview eingeschaltet ist; Besucher müssen es wissen</translation>
    </message>
    <message>
      <source>Install or update the tables</source>
      <translation>Tabellen anlegen oder aktualisieren</translation>
    </message>
    <message>
      <source>Instance</source>
      <translation>Instanz</translation>
    </message>
    <message>
      <source>Is it the address of the service, and does it speak HTTP there?</source>
      <translation>Ist es die Adresse des Dienstes, und spricht er dort HTTP?</translation>
    </message>
    <message>
      <source>Is the service running? Is the port right, and does a firewall let this machine through?</source>
      <translation>Läuft der Dienst? Stimmt der Port, und lässt eine Firewall diesen Rechner durch?</translation>
    </message>
    <message>
      <source>It is taken, or not possible now: {reason}. Choose another username, or remove the account that is in the way.</source>
      <translation>Er ist vergeben, oder es geht jetzt nicht: {reason}. Wählen Sie einen anderen Benutzernamen, oder entfernen Sie das Konto, das im Weg ist.</translation>
    </message>
    <message>
      <source>Key</source>
      <translation>Schlüssel</translation>
    </message>
    <message>
      <source>LHC has no such user.</source>
      <translation>LHC hat keinen solchen Benutzer.</translation>
    </message>
    <message>
      <source>Last callback</source>
      <translation>Letzter Callback</translation>
    </message>
    <message>
      <source>Last cron job</source>
      <translation>Letzter Cronjob</translation>
    </message>
    <message>
      <source>Last sent</source>
      <translation>Zuletzt gesendet</translation>
    </message>
    <message>
      <source>Link to the service</source>
      <translation>Verbindung zum Dienst</translation>
    </message>
    <message>
      <source>Look at the log of the service. Is it as new as this extension?</source>
      <translation>Sehen Sie im Protokoll des Dienstes nach. Ist er so neu wie diese Erweiterung?</translation>
    </message>
    <message>
      <source>Look at the log of the service. What LHC sends is kept until it is ready.</source>
      <translation>Sehen Sie im Protokoll des Dienstes nach. Was LHC sendet, wird aufgehoben, bis er bereit ist.</translation>
    </message>
    <message>
      <source>Make a new callback secret</source>
      <translation>Neues Callback-Geheimnis erzeugen</translation>
    </message>
    <message>
      <source>Make it anew when that is done.</source>
      <translation>Legen Sie ihn neu an, wenn das fertig ist.</translation>
    </message>
    <message>
      <source>Make one at a user, in the tab "XMPP account".</source>
      <translation>Legen Sie bei einem Benutzer im Reiter „XMPP-Konto“ eines an.</translation>
    </message>
    <message>
      <source>Make the account</source>
      <translation>Konto anlegen</translation>
    </message>
    <message>
      <source>Name</source>
      <translation>Name</translation>
    </message>
    <message>
      <source>Name in XMPP</source>
      <translation>Name in XMPP</translation>
    </message>
    <message>
      <source>New password</source>
      <translation>Neues Passwort</translation>
    </message>
    <message>
      <source>Next try</source>
      <translation>Nächster Versuch</translation>
    </message>
    <message>
      <source>No XMPP operator got a message of the visitor ({reason})</source>
      <translation>Kein XMPP-Bediener hat eine Nachricht des Besuchers bekommen ({reason})</translation>
    </message>
    <message>
      <source>No answer within {seconds} s: {reason}</source>
      <translation>Keine Antwort innerhalb von {seconds} s: {reason}</translation>
    </message>
    <message>
      <source>No user of LHC has an XMPP account: nobody gets the chats.</source>
      <translation>Kein Benutzer von LHC hat ein XMPP-Konto: Niemand bekommt die Chats.</translation>
    </message>
    <message>
      <source>Nothing takes connections there: {reason}</source>
      <translation>Dort nimmt nichts Verbindungen an: {reason}</translation>
    </message>
    <message>
      <source>Nothing was asked for.</source>
      <translation>Es wurde nichts verlangt.</translation>
    </message>
    <message>
      <source>Now</source>
      <translation>Jetzt</translation>
    </message>
    <message>
      <source>Offered to</source>
      <translation>Angeboten an</translation>
    </message>
    <message>
      <source>On the service, "xmpp-chat tenants list" shows the tenants and "xmpp-chat tenants rotate-key" gives one a new key. The settings show the request that makes the tenant.</source>
      <translation>Beim Dienst zeigt „xmpp-chat tenants list“ die Mandanten, und „xmpp-chat tenants rotate-key“ gibt einem einen neuen Schlüssel. Die Einstellungen zeigen die Anfrage, die den Mandanten anlegt.</translation>
    </message>
    <message>
      <source>Operator</source>
      <translation>Bediener</translation>
    </message>
    <message>
      <source>Operators</source>
      <translation>Bediener</translation>
    </message>
    <message>
      <source>Operators see that a visitor is typing</source>
      <translation>Bediener sehen, dass ein Besucher schreibt</translation>
    </message>
    <message>
      <source>Outbox: {pending} wait, {failed} failed</source>
      <translation>Postausgang: {pending} warten, {failed} fehlgeschlagen</translation>
    </message>
    <message>
      <source>Overview</source>
      <translation>Übersicht</translation>
    </message>
    <message>
      <source>Page</source>
      <translation>Seite</translation>
    </message>
    <message>
      <source>Password</source>
      <translation>Passwort</translation>
    </message>
    <message>
      <source>Password: it is empty</source>
      <translation>Passwort: Es ist leer</translation>
    </message>
    <message>
      <source>Password: it is no UTF-8</source>
      <translation>Passwort: Es ist kein UTF-8</translation>
    </message>
    <message>
      <source>Password: it needs {min} characters or more</source>
      <translation>Passwort: Es braucht mindestens {min} Zeichen</translation>
    </message>
    <message>
      <source>Place</source>
      <translation>Platz</translation>
    </message>
    <message>
      <source>Press "Install or update the tables" in the settings.</source>
      <translation>Drücken Sie in den Einstellungen „Tabellen anlegen oder aktualisieren“.</translation>
    </message>
    <message>
      <source>Reason</source>
      <translation>Grund</translation>
    </message>
    <message>
      <source>Remove the account</source>
      <translation>Konto entfernen</translation>
    </message>
    <message>
      <source>Remove the account? Clients are logged out, and open chats go to others.</source>
      <translation>Das Konto entfernen? Clients werden abgemeldet, und offene Chats gehen an andere.</translation>
    </message>
    <message>
      <source>Remove the tenants of all instances that are gone?</source>
      <translation>Die Mandanten aller verschwundenen Instanzen entfernen?</translation>
    </message>
    <message>
      <source>Remove them</source>
      <translation>Mandanten entfernen</translation>
    </message>
    <message>
      <source>Requests that the service answered: {count}</source>
      <translation>Anfragen, die der Dienst beantwortet hat: {count}</translation>
    </message>
    <message>
      <source>Run one of these where the service is, with the virtual host of ejabberd for XMPP-HOST. A new tenant gets an API key, which is printed once: type it in above. For a tenant that exists, add its other settings, because the request is the whole wish.</source>
      <translation>Führen Sie eines davon dort aus, wo der Dienst ist, mit dem virtuellen Host von ejabberd für XMPP-HOST. Ein neuer Mandant bekommt einen API-Schlüssel, der einmal ausgegeben wird: Tragen Sie ihn oben ein. Ergänzen Sie bei einem vorhandenen Mandanten seine anderen Einstellungen, denn die Anfrage ist der ganze Wunsch.</translation>
    </message>
    <message>
      <source>Run the request that the settings show, and type in the key that it prints.</source>
      <translation>Führen Sie die Anfrage aus, die die Einstellungen zeigen, und tragen Sie den Schlüssel ein, den sie ausgibt.</translation>
    </message>
    <message>
      <source>Run the request that the settings show.</source>
      <translation>Führen Sie die Anfrage aus, die die Einstellungen zeigen.</translation>
    </message>
    <message>
      <source>Save</source>
      <translation>Speichern</translation>
    </message>
    <message>
      <source>Send again</source>
      <translation>Erneut senden</translation>
    </message>
    <message>
      <source>Send all that failed again</source>
      <translation>Alles Fehlgeschlagene erneut senden</translation>
    </message>
    <message>
      <source>Set both clocks by NTP. From 300 s on callbacks are refused.</source>
      <translation>Stellen Sie beide Uhren mit NTP. Ab 300 s werden Callbacks abgelehnt.</translation>
    </message>
    <message>
      <source>Set callbackFlavour to native and the callback secret: run the request that the settings show.</source>
      <translation>Setzen Sie callbackFlavour auf native und das Callback-Geheimnis: Führen Sie die Anfrage aus, die die Einstellungen zeigen.</translation>
    </message>
    <message>
      <source>Set it to {url} at the service. Is the extension in the list of LHC's extensions, and its cache emptied?</source>
      <translation>Setzen Sie sie beim Dienst auf {url}. Steht die Erweiterung in der Liste der Erweiterungen von LHC, und ist sein Cache geleert?</translation>
    </message>
    <message>
      <source>Set the callback address of the tenant to {url}. Does another LHC use the same tenant?</source>
      <translation>Setzen Sie die Callback-Adresse des Mandanten auf {url}. Benutzt ein anderes LHC denselben Mandanten?</translation>
    </message>
    <message>
      <source>Set the password</source>
      <translation>Passwort setzen</translation>
    </message>
    <message>
      <source>Settings</source>
      <translation>Einstellungen</translation>
    </message>
    <message>
      <source>Shown in XMPP</source>
      <translation>In XMPP sichtbar</translation>
    </message>
    <message>
      <source>Since</source>
      <translation>Seit</translation>
    </message>
    <message>
      <source>Somebody answers the callbacks of this tenant, but it is not this LHC.</source>
      <translation>Jemand beantwortet die Callbacks dieses Mandanten, aber es ist nicht dieses LHC.</translation>
    </message>
    <message>
      <source>State</source>
      <translation>Zustand</translation>
    </message>
    <message>
      <source>Switch it on in the settings.</source>
      <translation>Schalten Sie sie in den Einstellungen ein.</translation>
    </message>
    <message>
      <source>Switched on</source>
      <translation>Eingeschaltet</translation>
    </message>
    <message>
      <source>The service has an operator of this name for another user of LHC. Choose another username.</source>
      <translation>Der Dienst hat unter diesem Namen einen Operator eines anderen LHC-Benutzers. Wählen Sie einen anderen Benutzernamen.</translation>
    </message>
    <message>
      <source>They also see what it is, before it is sent</source>
      <translation>Sie sehen auch, was, bevor es gesendet ist</translation>
    </message>
    <message>
      <source>TLS fails: {reason}</source>
      <translation>TLS scheitert: {reason}</translation>
    </message>
    <message>
      <source>Tables of the extension are missing or old.</source>
      <translation>Tabellen der Erweiterung fehlen oder sind alt.</translation>
    </message>
    <message>
      <source>Tell the service now</source>
      <translation>Dem Dienst jetzt mitteilen</translation>
    </message>
    <message>
      <source>Tenant</source>
      <translation>Mandant</translation>
    </message>
    <message>
      <source>Tenant or API key is missing.</source>
      <translation>Mandant oder API-Schlüssel fehlt.</translation>
    </message>
    <message>
      <source>Test the connection</source>
      <translation>Verbindung testen</translation>
    </message>
    <message>
      <source>The account is ready.</source>
      <translation>Das Konto ist bereit.</translation>
    </message>
    <message>
      <source>The account is removed.</source>
      <translation>Das Konto ist entfernt.</translation>
    </message>
    <message>
      <source>The address cannot be used: {reason}</source>
      <translation>Die Adresse ist nicht zu gebrauchen: {reason}</translation>
    </message>
    <message>
      <source>The address of the service begins with http://. The key and all texts go over the network as they are.</source>
      <translation>Die Adresse des Dienstes beginnt mit http://. Der Schlüssel und alle Texte gehen offen über das Netz.</translation>
    </message>
    <message>
      <source>The address of the service is well formed.</source>
      <translation>Die Adresse des Dienstes ist richtig gebildet.</translation>
    </message>
    <message>
      <source>The address of the service {reason}.</source>
      <translation>Die Adresse des Dienstes {reason}.</translation>
    </message>
    <message>
      <source>The callback address of the tenant leads elsewhere: {reason}</source>
      <translation>Die Callback-Adresse des Mandanten führt woandershin: {reason}</translation>
    </message>
    <message>
      <source>The callback secret here and at the service differ, or the clocks do. Make a new secret in the settings and run the request that is shown there.</source>
      <translation>Das Callback-Geheimnis hier und das beim Dienst sind verschieden, oder die Uhren sind es. Erzeugen Sie in den Einstellungen ein neues und führen Sie die Anfrage aus, die dort steht.</translation>
    </message>
    <message>
      <source>The callbacks of the tenant are not signed, or have the form of another extension.</source>
      <translation>Die Callbacks des Mandanten sind nicht signiert oder haben die Form einer anderen Erweiterung.</translation>
    </message>
    <message>
      <source>The certificate has to be valid for this host, and its issuer known to this machine. Is https:// right for this port?</source>
      <translation>Das Zertifikat muss für diesen Host gelten, und dieser Rechner muss seinen Aussteller kennen. Ist https:// für diesen Port richtig?</translation>
    </message>
    <message>
      <source>The clocks of LHC and of the service agree.</source>
      <translation>Die Uhren von LHC und vom Dienst stimmen überein.</translation>
    </message>
    <message>
      <source>The clocks of LHC and of the service differ by {seconds} s.</source>
      <translation>Die Uhren von LHC und vom Dienst gehen um {seconds} s auseinander.</translation>
    </message>
    <message>
      <source>The clocks were not compared.</source>
      <translation>Die Uhren wurden nicht verglichen.</translation>
    </message>
    <message>
      <source>The connection fails: {reason}</source>
      <translation>Die Verbindung scheitert: {reason}</translation>
    </message>
    <message>
      <source>The cron job of the extension has never run. What is not sent at once is never sent.</source>
      <translation>Der Cronjob der Erweiterung ist noch nie gelaufen. Was nicht sofort gesendet wird, wird nie gesendet.</translation>
    </message>
    <message>
      <source>The cron job of the extension last ran {minutes} minutes ago.</source>
      <translation>Der Cronjob der Erweiterung lief zuletzt vor {minutes} Minuten.</translation>
    </message>
    <message>
      <source>The cron job of the extension runs.</source>
      <translation>Der Cronjob der Erweiterung läuft.</translation>
    </message>
    <message>
      <source>The cron jobs of the hosting have to run: see "Automated hosting" in the documentation of the extension.</source>
      <translation>Die Cronjobs des Hostings müssen laufen: siehe „Automated hosting“ in der Dokumentation der Erweiterung.</translation>
    </message>
    <message>
      <source>The database refused it.</source>
      <translation>Die Datenbank hat es abgelehnt.</translation>
    </message>
    <message>
      <source>The database refused it. Are the tables of the extension there? Press "Install or update the tables".</source>
      <translation>Die Datenbank hat es abgelehnt. Sind die Tabellen der Erweiterung da? Drücken Sie „Tabellen anlegen oder aktualisieren“.</translation>
    </message>
    <message>
      <source>The embed code lacks check_messages:true: an invitation is shown when the visitor opens the next page, and not before.</source>
      <translation>Im Einbettungscode fehlt check_messages:true: Eine Einladung erscheint erst, wenn der Besucher die nächste Seite öffnet.</translation>
    </message>
    <message>
      <source>The embed code looks for invitations while a page is open.</source>
      <translation>Der Einbettungscode sieht nach Einladungen, während eine Seite offen ist.</translation>
    </message>
    <message>
      <source>The embed code was not looked at: no page was named.</source>
      <translation>Der Einbettungscode wurde nicht geprüft: Es wurde keine Seite genannt.</translation>
    </message>
    <message>
      <source>The extension is switched off, or its settings are not complete.</source>
      <translation>Die Erweiterung ist ausgeschaltet, oder ihre Einstellungen sind unvollständig.</translation>
    </message>
    <message>
      <source>The extension is switched off: LHC sends nothing.</source>
      <translation>Die Erweiterung ist ausgeschaltet: LHC sendet nichts.</translation>
    </message>
    <message>
      <source>The extension is switched on.</source>
      <translation>Die Erweiterung ist eingeschaltet.</translation>
    </message>
    <message>
      <source>The form was too old. Nothing was changed: please send it again.</source>
      <translation>Das Formular war zu alt. Nichts wurde geändert: Bitte senden Sie es noch einmal.</translation>
    </message>
    <message>
      <source>The manager of this hosting keeps the secret.</source>
      <translation>Der Manager dieses Hostings verwaltet das Geheimnis.</translation>
    </message>
    <message>
      <source>The name of the host is not known in DNS: {reason}</source>
      <translation>Der Name des Hosts ist im DNS nicht bekannt: {reason}</translation>
    </message>
    <message>
      <source>The outbox is in order.</source>
      <translation>Der Postausgang ist in Ordnung.</translation>
    </message>
    <message>
      <source>The page "XMPP chat" shows the reasons. Send them again when the reason is gone, or drop them.</source>
      <translation>Die Seite „XMPP chat“ zeigt die Gründe. Senden Sie sie erneut, wenn der Grund behoben ist, oder verwerfen Sie sie.</translation>
    </message>
    <message>
      <source>The page cannot be read: {reason}</source>
      <translation>Die Seite ist nicht zu lesen: {reason}</translation>
    </message>
    <message>
      <source>The password is set. Clients that are logged in stay so.</source>
      <translation>Das Passwort ist gesetzt. Angemeldete Clients bleiben angemeldet.</translation>
    </message>
    <message>
      <source>The secret is shown only right after it was made. If you do not have it any more, make a new one.</source>
      <translation>Das Geheimnis wird nur gezeigt, gleich nachdem es erzeugt wurde. Wenn Sie es nicht mehr haben, erzeugen Sie ein neues.</translation>
    </message>
    <message>
      <source>The service answers: {reason}</source>
      <translation>Der Dienst antwortet: {reason}</translation>
    </message>
    <message>
      <source>The service cannot be reached ({reason}). Try again later; the connection test says more.</source>
      <translation>Der Dienst ist nicht erreichbar ({reason}). Versuchen Sie es später wieder; der Verbindungstest sagt mehr.</translation>
    </message>
    <message>
      <source>The service cannot be reached: {reason}</source>
      <translation>Der Dienst ist nicht erreichbar: {reason}</translation>
    </message>
    <message>
      <source>The service cannot test the callbacks: {reason}</source>
      <translation>Der Dienst kann die Callbacks nicht testen: {reason}</translation>
    </message>
    <message>
      <source>The service does not answer. The account will be removed when it does.</source>
      <translation>Der Dienst antwortet nicht. Das Konto wird entfernt, wenn er es wieder tut.</translation>
    </message>
    <message>
      <source>The service does not answer: {reason}</source>
      <translation>Der Dienst antwortet nicht: {reason}</translation>
    </message>
    <message>
      <source>The service does not get through to LHC: {reason}</source>
      <translation>Der Dienst kommt nicht zu LHC durch: {reason}</translation>
    </message>
    <message>
      <source>The service does not know this operator.</source>
      <translation>Der Dienst kennt diesen Bediener nicht.</translation>
    </message>
    <message>
      <source>The service does not know this operator. Remove the account here, and make it again.</source>
      <translation>Der Dienst kennt diesen Bediener nicht. Entfernen Sie das Konto hier, und legen Sie es neu an.</translation>
    </message>
    <message>
      <source>The service does not take it: {reason}</source>
      <translation>Der Dienst nimmt es nicht an: {reason}</translation>
    </message>
    <message>
      <source>The service does not take the API key for tenant {tenant}: the key is wrong, or there is no such tenant (it does not say which).</source>
      <translation>Der Dienst nimmt den API-Schlüssel für den Mandanten {tenant} nicht an: Der Schlüssel ist falsch, oder den Mandanten gibt es nicht (was von beiden, sagt er nicht).</translation>
    </message>
    <message>
      <source>The service does not take the API key. Run the connection test.</source>
      <translation>Der Dienst nimmt den API-Schlüssel nicht an. Machen Sie den Verbindungstest.</translation>
    </message>
    <message>
      <source>The service has the operator {username} for this user.</source>
      <translation>Der Dienst hat für diesen Benutzer den Bediener {username}.</translation>
    </message>
    <message>
      <source>The service has to reach {url}. {advice}</source>
      <translation>Der Dienst muss {url} erreichen. {advice}</translation>
    </message>
    <message>
      <source>The service is not asked: {reason}</source>
      <translation>Der Dienst wird nicht gefragt: {reason}</translation>
    </message>
    <message>
      <source>The service knows no operator for this user.</source>
      <translation>Der Dienst kennt für diesen Benutzer keinen Bediener.</translation>
    </message>
    <message>
      <source>The service takes no more requests now. Try again in a minute.</source>
      <translation>Der Dienst nimmt jetzt keine weiteren Anfragen an. Versuchen Sie es in einer Minute wieder.</translation>
    </message>
    <message>
      <source>The service takes the API key for tenant {tenant}, with accounts at {host}.</source>
      <translation>Der Dienst nimmt den API-Schlüssel für den Mandanten {tenant} an, mit Konten bei {host}.</translation>
    </message>
    <message>
      <source>The service, or ejabberd behind it, is not ready ({reason}). Try again in a minute.</source>
      <translation>Der Dienst, oder ejabberd dahinter, ist nicht bereit ({reason}). Versuchen Sie es in einer Minute wieder.</translation>
    </message>
    <message>
      <source>The settings are saved.</source>
      <translation>Die Einstellungen sind gespeichert.</translation>
    </message>
    <message>
      <source>The settings are saved. Cron tells the service within a minute.</source>
      <translation>Die Einstellungen sind gespeichert. Cron teilt sie dem Dienst innerhalb einer Minute mit.</translation>
    </message>
    <message>
      <source>The tables are up to date.</source>
      <translation>Die Tabellen sind auf dem neuesten Stand.</translation>
    </message>
    <message>
      <source>The tables are up to date. Statements that were carried out: {count}</source>
      <translation>Die Tabellen sind auf dem neuesten Stand. Ausgeführte Anweisungen: {count}</translation>
    </message>
    <message>
      <source>The tables of the extension are missing. Press "Install or update the tables" in the settings.</source>
      <translation>Die Tabellen der Erweiterung fehlen. Drücken Sie in den Einstellungen „Tabellen anlegen oder aktualisieren“.</translation>
    </message>
    <message>
      <source>The tables of the extension are up to date.</source>
      <translation>Die Tabellen der Erweiterung sind auf dem neuesten Stand.</translation>
    </message>
    <message>
      <source>The tenant has no callback address: operators' messages do not reach LHC.</source>
      <translation>Der Mandant hat keine Callback-Adresse: Nachrichten von Bedienern kommen nicht zu LHC.</translation>
    </message>
    <message>
      <source>The tenant is being removed.</source>
      <translation>Der Mandant wird gerade entfernt.</translation>
    </message>
    <message>
      <source>The visitor who came last is on:</source>
      <translation>Der Besucher, der zuletzt kam, ist auf:</translation>
    </message>
    <message>
      <source>There is no embed code of LHC on this page.</source>
      <translation>Auf dieser Seite ist kein Einbettungscode von LHC.</translation>
    </message>
    <message>
      <source>There is no such user, or you may not change it.</source>
      <translation>Es gibt keinen solchen Benutzer, oder Sie dürfen ihn nicht ändern.</translation>
    </message>
    <message>
      <source>They are repeated by themselves. If they are paused, because LHC answered 410, set the callback address or the secret anew.</source>
      <translation>Sie werden von selbst wiederholt. Wenn sie ausgesetzt sind, weil LHC mit 410 geantwortet hat, setzen Sie die Callback-Adresse oder das Geheimnis neu.</translation>
    </message>
    <message>
      <source>They go out by themselves when the service answers and cron runs. The page "XMPP chat" shows them.</source>
      <translation>Sie gehen von selbst hinaus, wenn der Dienst antwortet und Cron läuft. Die Seite „XMPP chat“ zeigt sie.</translation>
    </message>
    <message>
      <source>This is not the manager of an automated hosting.</source>
      <translation>Dies ist nicht der Manager eines automatischen Hostings.</translation>
    </message>
    <message>
      <source>This user has no XMPP account.</source>
      <translation>Dieser Benutzer hat kein XMPP-Konto.</translation>
    </message>
    <message>
      <source>This user has the account {username} already. Remove it first.</source>
      <translation>Dieser Benutzer hat schon das Konto {username}. Entfernen Sie es zuerst.</translation>
    </message>
    <message>
      <source>This user is disabled in LHC. Enable the user first.</source>
      <translation>Dieser Benutzer ist in LHC gesperrt. Entsperren Sie ihn zuerst.</translation>
    </message>
    <message>
      <source>To be sent again: {count}</source>
      <translation>Wird erneut gesendet: {count}</translation>
    </message>
    <message>
      <source>Tries</source>
      <translation>Versuche</translation>
    </message>
    <message>
      <source>Try again in a minute.</source>
      <translation>Versuchen Sie es in einer Minute wieder.</translation>
    </message>
    <message>
      <source>Type the address of a page that has the LHC widget, as a visitor opens it.</source>
      <translation>Geben Sie die Adresse einer Seite mit dem LHC-Widget ein, wie ein Besucher sie öffnet.</translation>
    </message>
    <message>
      <source>Use https://, or keep LHC and the service in one private network.</source>
      <translation>Benutzen Sie https://, oder halten Sie LHC und den Dienst in einem privaten Netz.</translation>
    </message>
    <message>
      <source>Use this account</source>
      <translation>Dieses Konto benutzen</translation>
    </message>
    <message>
      <source>Username</source>
      <translation>Benutzername</translation>
    </message>
    <message>
      <source>Username: it is a-z, 0-9, ., _ and -, does not begin with . or -, at most 63 characters</source>
      <translation>Benutzername: Er besteht aus a-z, 0-9, ., _ und -, beginnt nicht mit . oder -, höchstens 63 Zeichen</translation>
    </message>
    <message>
      <source>Username: this one is reserved</source>
      <translation>Benutzername: Dieser ist reserviert</translation>
    </message>
    <message>
      <source>Users with an XMPP account: {count}</source>
      <translation>Benutzer mit einem XMPP-Konto: {count}</translation>
    </message>
    <message>
      <source>Virtual host in ejabberd</source>
      <translation>Virtueller Host in ejabberd</translation>
    </message>
    <message>
      <source>Visitor</source>
      <translation>Besucher</translation>
    </message>
    <message>
      <source>Visitors who are online</source>
      <translation>Besucher, die online sind</translation>
    </message>
    <message>
      <source>What</source>
      <translation>Was</translation>
    </message>
    <message>
      <source>What the service has to know</source>
      <translation>Was der Dienst wissen muss</translation>
    </message>
    <message>
      <source>What waits goes out by itself, in its order. A row that is dropped is never sent: for a chat, nothing more of it is sent until something happens in it again.</source>
      <translation>Was wartet, geht von selbst hinaus, in seiner Reihenfolge. Eine verworfene Zeile wird nie gesendet: Bei einem Chat wird nichts mehr von ihm gesendet, bis wieder etwas in ihm geschieht.</translation>
    </message>
    <message>
      <source>When an instance goes, delete the log and the data keys of its tenant too. Nobody can undo that.</source>
      <translation>Wenn eine Instanz geht, auch das Protokoll und die Datenschlüssel ihres Mandanten löschen. Niemand kann das rückgängig machen.</translation>
    </message>
    <message>
      <source>XMPP account</source>
      <translation>XMPP-Konto</translation>
    </message>
    <message>
      <source>XMPP chat: automated hosting</source>
      <translation>XMPP chat: automatisches Hosting</translation>
    </message>
    <message>
      <source>XMPP chat: connection test</source>
      <translation>XMPP chat: Verbindungstest</translation>
    </message>
    <message>
      <source>XMPP chat: settings</source>
      <translation>XMPP chat: Einstellungen</translation>
    </message>
    <message>
      <source>You may look at the outbox, but not change it.</source>
      <translation>Sie dürfen den Postausgang ansehen, aber nicht ändern.</translation>
    </message>
    <message>
      <source>a request that was refused</source>
      <translation>eine abgelehnte Anfrage</translation>
    </message>
    <message>
      <source>all</source>
      <translation>alle</translation>
    </message>
    <message>
      <source>available</source>
      <translation>verfügbar</translation>
    </message>
    <message>
      <source>away</source>
      <translation>abwesend</translation>
    </message>
    <message>
      <source>busy</source>
      <translation>beschäftigt</translation>
    </message>
    <message>
      <source>chat</source>
      <translation>Chat</translation>
    </message>
    <message>
      <source>does not answer</source>
      <translation>antwortet nicht</translation>
    </message>
    <message>
      <source>empty: it stays as it is</source>
      <translation>leer: Er bleibt, wie er ist</translation>
    </message>
    <message>
      <source>for callbacks and for links to files</source>
      <translation>für Callbacks und für Links zu Dateien</translation>
    </message>
    <message>
      <source>has 16 to 256 characters of ASCII, as the service printed it</source>
      <translation>hat 16 bis 256 Zeichen ASCII, wie der Dienst ihn ausgegeben hat</translation>
    </message>
    <message>
      <source>has a host with characters that no host has; write a name with umlauts in its xn-- form</source>
      <translation>hat einen Host mit Zeichen, die kein Host hat; schreiben Sie einen Namen mit Umlauten in seiner xn---Form</translation>
    </message>
    <message>
      <source>has a path with characters other than letters, digits, and . _ ~ / -</source>
      <translation>hat einen Pfad mit anderen Zeichen als Buchstaben, Ziffern und . _ ~ / -</translation>
    </message>
    <message>
      <source>has to begin with https:// or http:// and name a host, for example https://xmpp-chat.example.org</source>
      <translation>muss mit https:// oder http:// beginnen und einen Host nennen, zum Beispiel https://xmpp-chat.example.org</translation>
    </message>
    <message>
      <source>in order</source>
      <translation>in Ordnung</translation>
    </message>
    <message>
      <source>interrupted since {time}: {reason}</source>
      <translation>unterbrochen seit {time}: {reason}</translation>
    </message>
    <message>
      <source>is a JSON object, for example {example}</source>
      <translation>ist ein JSON-Objekt, zum Beispiel {example}</translation>
    </message>
    <message>
      <source>is a host name in lower case, for example chat.example.org</source>
      <translation>ist ein Hostname in Kleinbuchstaben, zum Beispiel chat.example.org</translation>
    </message>
    <message>
      <source>is a-z, 0-9 and -, begins with a letter, at most 20 characters</source>
      <translation>besteht aus a-z, 0-9 und -, beginnt mit einem Buchstaben, höchstens 20 Zeichen</translation>
    </message>
    <message>
      <source>is a-z, 0-9 and -, begins with a letter, at most 31 characters</source>
      <translation>besteht aus a-z, 0-9 und -, beginnt mit einem Buchstaben, höchstens 31 Zeichen</translation>
    </message>
    <message>
      <source>is being removed</source>
      <translation>wird entfernt</translation>
    </message>
    <message>
      <source>is empty</source>
      <translation>ist leer</translation>
    </message>
    <message>
      <source>is longer than {max} characters</source>
      <translation>ist länger als {max} Zeichen</translation>
    </message>
    <message>
      <source>is needed before the extension can be switched on</source>
      <translation>wird gebraucht, bevor die Erweiterung eingeschaltet werden kann</translation>
    </message>
    <message>
      <source>is whsec_ and the base64 of 18 to 128 bytes</source>
      <translation>ist whsec_ und das Base64 von 18 bis 128 Bytes</translation>
    </message>
    <message>
      <source>it has to begin with https:// or http://, name a host, and have no user or password</source>
      <translation>sie muss mit https:// oder http:// beginnen, einen Host nennen und darf keinen Benutzer und kein Passwort haben</translation>
    </message>
    <message>
      <source>it is switched off</source>
      <translation>er ist ausgeschaltet</translation>
    </message>
    <message>
      <source>it is too slow</source>
      <translation>er ist zu langsam</translation>
    </message>
    <message>
      <source>it redirects more than {max} times</source>
      <translation>sie leitet mehr als {max} Mal weiter</translation>
    </message>
    <message>
      <source>its host has no public address</source>
      <translation>ihr Host hat keine öffentliche Adresse</translation>
    </message>
    <message>
      <source>a reaction</source>
      <translation>eine Reaktion</translation>
    </message>
    <message>
      <source>messages were seen</source>
      <translation>Nachrichten wurden gesehen</translation>
    </message>
    <message>
      <source>more</source>
      <translation>mehr</translation>
    </message>
    <message>
      <source>must not contain ? or #</source>
      <translation>darf kein ? und kein # enthalten</translation>
    </message>
    <message>
      <source>must not contain a user or a password</source>
      <translation>darf keinen Benutzer und kein Passwort enthalten</translation>
    </message>
    <message>
      <source>must not contain {names}: the manager decides that</source>
      <translation>darf {names} nicht enthalten: Das bestimmt der Manager</translation>
    </message>
    <message>
      <source>never</source>
      <translation>nie</translation>
    </message>
    <message>
      <source>no</source>
      <translation>nein</translation>
    </message>
    <message>
      <source>not set</source>
      <translation>nicht gesetzt</translation>
    </message>
    <message>
      <source>offline</source>
      <translation>offline</translation>
    </message>
    <message>
      <source>page view</source>
      <translation>Seitenaufruf</translation>
    </message>
    <message>
      <source>pending</source>
      <translation>wartet</translation>
    </message>
    <message>
      <source>pending: the service is told of a change within a minute, or when it answers again</source>
      <translation>wartet: Der Dienst erfährt von einer Änderung innerhalb einer Minute, oder wenn er wieder antwortet</translation>
    </message>
    <message>
      <source>refused</source>
      <translation>abgelehnt</translation>
    </message>
    <message>
      <source>set</source>
      <translation>gesetzt</translation>
    </message>
    <message>
      <source>set, ends with {end}</source>
      <translation>gesetzt, endet auf {end}</translation>
    </message>
    <message>
      <source>switched off, because the user is disabled in LHC; a new password switches it on</source>
      <translation>ausgeschaltet, weil der Benutzer in LHC gesperrt ist; ein neues Passwort schaltet es ein</translation>
    </message>
    <message>
      <source>the service refused the last change</source>
      <translation>der Dienst hat die letzte Änderung abgelehnt</translation>
    </message>
    <message>
      <source>the web server answered {status}</source>
      <translation>der Webserver antwortete {status}</translation>
    </message>
    <message>
      <source>xmpp-chat {version} answers, but it is not ready: {parts}</source>
      <translation>xmpp-chat {version} antwortet, ist aber nicht bereit: {parts}</translation>
    </message>
    <message>
      <source>xmpp-chat {version} answers.</source>
      <translation>xmpp-chat {version} antwortet.</translation>
    </message>
    <message>
      <source>yes</source>
      <translation>ja</translation>
    </message>
    <message>
      <source>{count} instances are gone, more than half of all. Is the list of instances complete? Their tenants are removed only if you press "Remove them".</source>
      <translation>{count} Instanzen sind verschwunden, mehr als die Hälfte. Ist die Liste der Instanzen vollständig? Ihre Mandanten werden nur entfernt, wenn Sie „Mandanten entfernen“ drücken.</translation>
    </message>
    <message>
      <source>{name} has not taken the chat.</source>
      <translation>{name} hat den Chat nicht übernommen.</translation>
    </message>
    <message>
      <source>The callbacks were not tested: LHC refuses them while the extension is switched off.</source>
      <translation>Die Callbacks wurden nicht getestet: LHC lehnt sie ab, solange die Erweiterung ausgeschaltet ist.</translation>
    </message>
  </context>
</TS>
