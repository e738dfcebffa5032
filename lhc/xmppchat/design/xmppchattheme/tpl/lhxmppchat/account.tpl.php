<?php include(erLhcoreClassDesign::designtpl('lhxmppchat/parts/messages.tpl.php'));?>
<?php if ($user !== null) : ?>
<h4 ng-non-bindable><?php echo $t('XMPP account')?>: <a href="<?php echo $url('user/edit')?>/<?php echo (int)$user['id']?>#xmppchat"><?php echo $e($user['name'])?></a></h4>
<?php if (isset($away) && $away !== '') : ?>
<div class="alert alert-warning p-2" ng-non-bindable><?php echo $e($away)?></div>
<?php endif; ?>
<?php if (isset($departments) && $departments !== null) : ?>
<p ng-non-bindable><?php echo $t('Departments (from LHC, told to the service within a minute):')?>&nbsp;<?php echo $departments === [] ? $t('all') : $e(implode(', ', $departments))?></p>
<?php endif; ?>
<form action="<?php echo $url('xmppchat/account')?>/<?php echo (int)$user['id']?>" method="post" autocomplete="off" ng-non-bindable>
<input type="hidden" name="csfr_token" value="<?php echo $token()?>">
<?php if (!isset($account) || $account === null) : ?>
<?php if (isset($registered) && $registered !== '') : ?>
<p><?php echo $t('The service has the operator {username} for this user.', ['username' => $registered])?>
<button type="submit" class="btn btn-secondary btn-sm ms-2" name="action" value="take-over"><?php echo $t('Use this account')?></button></p>
<?php endif; ?>
<div class="form-group mb-2">
<label for="xc-username"><?php echo $t('Username')?></label>
<input class="form-control form-control-sm" id="xc-username" type="text" name="username" maxlength="63" autocomplete="off" value="<?php echo $e($username !== '' ? $username : $suggestion)?>">
</div>
<div class="form-group mb-2">
<label for="xc-password"><?php echo $t('Password')?></label>
<input class="form-control form-control-sm" id="xc-password" type="password" name="password" maxlength="1024" autocomplete="new-password">
</div>
<button type="submit" class="btn btn-primary btn-sm" name="action" value="create"><?php echo $t('Make the account')?></button>
<?php else : ?>
<table class="table table-sm">
<tbody>
<tr><th><?php echo $t('Username')?></th><td><?php echo $e($account->username)?></td></tr>
<tr><th><?php echo $t('State')?></th><td id="xc-state">
<?php if ($account->state === 'removing') : ?><?php echo $t('is being removed')?>
<?php elseif ($account->state === 'disabled') : ?><?php echo $t('switched off, because the user is disabled in LHC; a new password switches it on')?>
<?php elseif ($account->state === 'failed') : ?><?php echo $t('the service refused the last change')?>
<?php elseif ($pending) : ?><?php echo $t('pending: the service is told of a change within a minute, or when it answers again')?>
<?php else : ?><?php echo $t('in order')?><?php endif; ?>
<?php if ($account->error !== '') : ?><br><span class="text-danger"><?php echo $e($account->error)?></span><?php endif; ?>
</td></tr>
<?php if ($live !== null) : ?>
<tr><th><?php echo $t('Address')?></th><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::text($live, 'jid'))?></td></tr>
<tr><th><?php echo $t('Now')?></th><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::availability($live))?></td></tr>
<tr><th><?php echo $t('Clients')?></th><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::clients($live))?></td></tr>
<tr><th><?php echo $t('Chats')?></th><td><?php echo $e(\XmppChat\Lhc\Admin\Overview::chats($live))?></td></tr>
<?php endif; ?>
</tbody>
</table>
<?php if ($account->state !== 'removing') : ?>
<div class="form-group mb-2">
<label for="xc-password"><?php echo $t('New password')?></label>
<input class="form-control form-control-sm" id="xc-password" type="password" name="password" maxlength="1024" autocomplete="new-password">
</div>
<button type="submit" class="btn btn-primary btn-sm me-2" name="action" value="password"><?php echo $t('Set the password')?></button>
<?php endif; ?>
<button type="submit" class="btn btn-danger btn-sm" name="action" value="remove" data-question="<?php echo $t('Remove the account? Clients are logged out, and open chats go to others.')?>" onclick="return confirm(this.dataset.question)"><?php echo $t('Remove the account')?></button>
<?php endif; ?>
</form>
<?php endif; ?>
